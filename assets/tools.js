// Tool calls in an answer: one that runs, one that has run, and the card on which a person decides about one. What is
// shown comes from assistant/ui/tool_words.py and cards.py; all of it is text, and none of it becomes HTML here.
(() => {
  "use strict";
  const CONTEXT_LINES = 3; // of a diff, around what changes
  const CODES = /\\u[0-9a-f]{4}|\\U[0-9a-f]{8}/g; // see assistant/visible.py
  const made = (name, classes = "", text = "") => {
    const element = document.createElement(name);
    if (classes) element.className = classes;
    element.textContent = text;
    return element;
  };
  // Text in which the codes of characters that nobody would see stand out.
  const plain = (element, text) => {
    let at = 0;
    for (const found of text.matchAll(CODES)) {
      element.append(text.slice(at, found.index), made("mark", "", found[0]));
      at = found.index + found[0].length;
    }
    element.append(text.slice(at));
    return element;
  };
  const pre = (text) => {
    const element = plain(made("pre", "hearth-tool-text"), text);
    element.tabIndex = 0;
    return element;
  };

  const argumentsOf = (given, words) => {
    const list = made("div", "hearth-tool-arguments");
    if (!given.length) list.append(made("p", "", words.none));
    for (const [name, text] of given) {
      const row = made("div", "");
      if (name) row.append(made("span", "hearth-tool-name", name));
      row.append(pre(text));
      list.append(row);
    }
    return list;
  };

  // A call that waits, runs or has run: one line, folded.
  const fold = (place, told) => {
    const wasOpen = place.querySelector("details")?.open ?? false;
    const element = made("details");
    const summary = made("summary");
    summary.append(made("span", "hearth-tool-sign"), made("span", "", told.title));
    element.append(summary, made("h4", "", told.words.arguments), argumentsOf(told.arguments, told.words));
    if (told.result) element.append(made("h4", "", told.words.result), pre(told.result));
    element.open = wasOpen;
    if (told.state === "running") count(summary);
    place.replaceChildren(element);
  };
  const count = (summary) => {
    const began = Date.now();
    const seconds = made("span", "hearth-tool-seconds", "0 s");
    summary.append(seconds);
    const timer = setInterval(() => {
      if (!seconds.isConnected) { clearInterval(timer); return; }
      seconds.textContent = `${Math.round((Date.now() - began) / 1000)} s`;
    }, 1000);
  };

  // What a call will do.
  const previewOf = (preview) => {
    if (preview.kind === "choice") return plain(made("p", "hearth-card-question"), preview.text);
    if (preview.kind === "address") return plain(made("p", "hearth-tool-address"), preview.text);
    if (preview.kind === "code") {
      const block = made("div", "hearth-code");
      const code = made("code", "", preview.text);
      code.dataset.language = preview.language;
      const text = made("pre");
      text.tabIndex = 0;
      text.append(code);
      block.append(text);
      window.hearth.markup.finish(block);
      return block;
    }
    const block = made("div", "hearth-diff");
    block.append(made("p", "hearth-diff-title", preview.title));
    const lines = made("div", "hearth-diff-lines");
    lines.tabIndex = 0;
    for (const run of runsOf(preview.lines)) lines.append(...linesOf(run, preview.more));
    block.append(lines);
    return block;
  };
  const runsOf = (lines) => {
    const runs = [];
    for (const line of lines) {
      const isSame = line[0] === " ";
      if (!runs.length || (runs.at(-1)[0][0] === " ") !== isSame) runs.push([]);
      runs.at(-1).push(line);
    }
    return runs;
  };
  const linesOf = (run, more) => {
    const elements = run.map(([sign, text]) => {
      const line = made("div", { "+": "hearth-diff-comes", "-": "hearth-diff-goes" }[sign] ?? "");
      line.append(made("span", "hearth-diff-sign", sign));
      return plain(line, text || " ");
    });
    if (run[0][0] !== " " || run.length <= 2 * CONTEXT_LINES + 1) return elements;
    const rest = made("details", "");
    const hidden = elements.slice(CONTEXT_LINES, -CONTEXT_LINES);
    rest.append(made("summary", "", more.replace("{count}", hidden.length)), ...hidden);
    return [...elements.slice(0, CONTEXT_LINES), rest, ...elements.slice(-CONTEXT_LINES)];
  };

  const button = (text, classes, onClick) => {
    const element = made("button", classes, text);
    element.type = "button";
    element.addEventListener("click", onClick);
    return element;
  };
  const card = (place, told, asked, notice = "") => {
    const { words } = asked;
    const element = made("section", "hearth-card");
    element.dataset.call = told.id;
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", asked.title);
    const about = [asked.origin, asked.risk].filter(Boolean).join(" · ");
    element.append(plain(made("h3"), asked.title), plain(made("p", "hearth-card-about"), about));
    if (asked.about) element.append(plain(made("p", "hearth-card-about"), asked.about));
    if (asked.preview?.kind === "choice") element.append(previewOf(asked.preview)); // it is all there is
    else if (asked.preview) {
      const all = made("details", "hearth-card-all");
      all.append(made("summary", "", words.arguments), argumentsOf(asked.arguments, words));
      element.append(previewOf(asked.preview), all);
    } else element.append(argumentsOf(asked.arguments, words));
    if (asked.written) {
      const written = made("details", "hearth-card-all");
      written.append(made("summary", "", words.written), pre(asked.written));
      element.append(written);
    }
    if (asked.problem) element.append(plain(made("p", "hearth-card-problem"), asked.problem));
    if (notice) {
      const line = made("p", "hearth-card-problem", notice);
      line.setAttribute("role", "alert");
      element.append(line);
    }
    if (asked.decided) element.append(made("p", "hearth-card-decided", asked.decided));
    else element.append(waysOf(place, told, asked), made("p", "hearth-card-about", words.note));
    place.replaceChildren(element);
    if (asked.decided) decided.set(element, () => ask(place, told));
  };
  const decided = new WeakMap(); // the cards that wait for others of their step, and how each is asked for anew
  const waysOf = (place, told, asked) => {
    const { words } = asked;
    const ways = made("div", "hearth-card-ways");
    const word = made("input", "hearth-card-word");
    word.type = "text";
    word.maxLength = 2000;
    word.placeholder = words.word;
    word.setAttribute("aria-label", words.word);
    const say = (verdict, said) => async () => {
      const words = said ?? word.value;
      for (const each of ways.querySelectorAll("button, input")) each.disabled = true; // a double click says it once
      await decide(place, told, asked, verdict, words);
    };
    if (asked.preview?.kind === "choice" && asked.mayAllow) {
      const { options, own, send, skip } = asked.preview;
      ways.append(...options.map(([option, shown]) => button(shown, "hearth-card-option", say("once", option))));
      word.placeholder = own;
      word.setAttribute("aria-label", own);
      const answer = () => { if (word.value.trim()) say("once")(); else word.focus(); };
      word.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.isComposing) answer();
      });
      ways.append(word, button(send, "hearth-card-once", answer), button(skip, "hearth-card-deny", say("deny", "")));
      return ways;
    }
    if (asked.mayAllow) ways.append(button(words.once, "hearth-card-once", say("once", "")));
    if (asked.mayAllowInChat) ways.append(button(words.chat, "hearth-card-chat", say("chat", "")));
    ways.append(button(words.deny, "hearth-card-deny", say("deny")), word);
    return ways;
  };
  const post = (path, what) => fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(what),
  });
  const decide = async (place, told, asked, verdict, word) => {
    const { transcript } = window.hearth;
    try {
      const answer = await post("/decide", { chat: transcript.chat(), call: told.id, verdict, mark: asked.mark, word });
      const { taken = false, error = "" } = await answer.json();
      transcript.comeBack();
      await ask(place, told, taken ? "" : error || asked.words.changed);
      for (const other of document.querySelectorAll(".hearth-card")) decided.get(other)?.(); // it may have changed since
    } catch {
      card(place, told, asked, asked.words.failed);
    }
  };
  // What the card says comes from the server each time: what the call would do now, and whether it still waits.
  const ask = async (place, told, notice = "") => {
    const chat = window.hearth.transcript.chat();
    const answer = await post("/card", { chat, call: told.id }).catch(() => null);
    const asked = answer?.ok ? await answer.json() : null;
    if (asked) card(place, told, asked, notice);
    else if (!place.querySelector(".hearth-card")) fold(place, told);
  };

  const show = (place, told) => {
    place.dataset.state = told.state;
    if (told.state !== "asks") { fold(place, told); return; }
    fold(place, told);
    ask(place, told).then(() => {
      const said = document.querySelector("#chat-said");
      said?.append(made("p", "", told.title)); // for a screen reader
      while (said?.childElementCount > 3) said.firstElementChild.remove();
    });
  };

  window.hearth.tools = { show };
})();
