// The messages of the chat: what the feed (assistant/ui/feed.py) tells is drawn here, and nothing that has been drawn is
// drawn again. A frame's shape is told in assistant/ui/transcript.py.
(() => {
  "use strict";
  const { markup, words } = window.hearth;
  const NEAR_TOP_PX = 600;
  const NEAR_END_PX = 80;
  const COST_FACTOR = 3; // frames take at most so large a part of the page's time: 1 / (1 + COST_FACTOR)
  const LONGEST_WAIT_MS = 250;
  const AGAIN_MS = 3000;
  const LONGEST_TURN_MS = 5000;
  const ABOVE_A_TARGET = 4; // see transcript.py
  const SPOKEN = 3;
  const WHOLE = "all"; // see transcript.py
  const MOST_CARDS = 80; // beyond this, a page that stands at the end begins anew from there

  const one = (selector) => document.querySelector(selector);
  const element = (name, classes, html = "") => {
    const made = document.createElement(name);
    made.className = classes;
    made.innerHTML = html;
    return made;
  };

  const cards = new Map(); // by key: what the server told of each, and its element as `article`
  let order = [];
  let live = []; // the running answers, one or two: each an article, and its sections with what each has so far
  let feed = null;
  let reader = "";
  let chat = "";
  let hasMore = false;
  let isAsking = false;
  let isWhole = false; // for print.js

  const isThought = (kind) => kind === "thought" || kind === "plain thought";
  const sectionElement = ([kind, title, isOpen]) => {
    if (isThought(kind)) {
      const inner = kind === "thought" ? "hearth-prose" : "hearth-plain";
      const fold = element("details", "hearth-thought", `<summary></summary><div class="${inner}"></div>`);
      fold.firstElementChild.textContent = title;
      fold.open = isOpen;
      return fold;
    }
    return element("div", { markdown: "hearth-prose", plain: "hearth-plain" }[kind] ?? `hearth-${kind}`);
  };
  // A section that grows: Markdown block by block, other words as they are.
  const begun = (kind, title, isOpen, onBlock) => {
    if (kind === "tool") {
      const place = element("div", "hearth-tool");
      return {
        kind, place, text: "",
        add(words) { if (words) { this.text = words; window.hearth.tools.show(place, JSON.parse(words)); } },
        end() {},
      };
    }
    const place = sectionElement([kind, title, isOpen]);
    const within = place.querySelector(".hearth-prose, .hearth-plain") ?? place;
    const isMarkdown = kind === "markdown" || kind === "thought";
    const grown = isMarkdown ? new markup.Growing(within, onBlock) : null;
    return {
      kind, place, text: "",
      add(more) { this.text += more; if (grown) grown.add(more); else within.append(more); },
      end() { grown?.end(); },
    };
  };

  const articleElement = (role) => {
    const name = { user: "user", note: "note" }[role] ?? "bot";
    const article = element("article", `message message-row ${name}-row ${name}`);
    article.dataset.testid = name;
    article.append(element("div", "hearth-body"), element("div", "hearth-foot"));
    return article;
  };
  const footOf = (card) => {
    const foot = card.article.lastElementChild;
    foot.innerHTML = card.foot;
    const actions = foot.querySelector(".hearth-actions");
    const copy = element("button", "hearth-copy");
    copy.type = "button";
    copy.textContent = words.copy;
    if (card.copied) actions?.prepend(copy);
  };
  // Two answers side by side: each says whose it is.
  const nameBeside = (article, who) => {
    const body = article.firstElementChild;
    if (!who && !article.classList.contains("hearth-beside")) return;
    article.classList.toggle("hearth-beside", Boolean(who));
    body.querySelector(":scope > .hearth-who")?.remove();
    if (!who) { article.removeAttribute("aria-label"); return; }
    body.prepend(element("div", "hearth-who"));
    body.firstElementChild.textContent = who;
    article.setAttribute("aria-label", who);
  };
  const drawn = (card) => {
    card.article = articleElement(card.role);
    nameBeside(card.article, card.who);
    for (const { kind, title, is_open: isOpen, text } of card.sections) {
      const section = begun(kind, title, isOpen);
      section.add(text);
      section.end();
      card.article.firstElementChild.append(section.place);
    }
    if (card.pictures.length) card.article.firstElementChild.prepend(window.hearth.pictures.row(card.pictures));
    footOf(card);
    return card;
  };
  // An answer that has just ended is on the page already: its element is taken over as it is.
  const adopted = (card) => {
    const isSame = ({ sections, who }) => card.who === who && card.sections.length === sections.length
      && card.sections.every(({ kind, text }, index) => sections[index].kind === kind && sections[index].text === text);
    const ended = card.role === "assistant" && !card.pictures.length ? live.find(isSame) : undefined;
    if (!ended) return null;
    for (const section of ended.sections) section.end();
    card.article = ended.article;
    footOf(card);
    live = live.filter((answer) => answer !== ended);
    return card;
  };
  // A card whose words are the same and whose foot is another keeps its element.
  const changed = (card) => {
    const had = cards.get(card.key);
    if (!had || JSON.stringify(had.sections) !== JSON.stringify(card.sections)) return null;
    card.article = had.article;
    nameBeside(card.article, card.who);
    footOf(card);
    return card;
  };

  const apply = (frame) => {
    const settled = one("#chat-settled");
    const place = one("#chat-live");
    if (!settled || !place) return;
    for (const card of frame.cards ?? []) cards.set(card.key, changed(card) ?? adopted(card) ?? drawn(card));
    if (frame.order) show(settled, frame.order);
    if ("more" in frame) { hasMore = frame.more; isAsking = false; one("#chat-earlier").hidden = !hasMore; }
    if ("loading" in frame) load(frame.loading);
    if (frame.enclosed) window.hearth.pictures.tell(frame.enclosed);
    if (frame.context) window.hearth.context.tell(frame.context);
    if (frame.live === null) { live = []; place.replaceChildren(); }
    else if (frame.live?.columns) frame.live.columns.forEach((part, index) => { if ("begins" in part) grow(place, part, index); });
    else if (frame.live) grow(place, frame.live);
    document.body.classList.toggle("hearth-two", live.length > 1 || order.some((key) => cards.get(key).who));
    if ("live" in frame) document.body.classList.toggle("hearth-running", Boolean(live.length && feed));
    document.dispatchEvent(new Event("hearth-drawn"));
    askForMore();
  };
  const show = (settled, keys) => {
    const root = document.scrollingElement;
    const [first] = order;
    const comesAbove = first && keys.includes(first) && keys[0] !== first;
    const [height, top] = comesAbove ? [root.scrollHeight, root.scrollTop] : [0, 0]; // to measure is to lay out
    const kept = new Set(keys);
    for (const key of order) if (!kept.has(key)) { cards.get(key)?.article.remove(); cards.delete(key); }
    let next = settled.firstElementChild;
    for (const key of keys) {
      const { article } = cards.get(key);
      if (article === next) next = next.nextElementSibling;
      else settled.insertBefore(article, next);
    }
    order = keys;
    if (comesAbove) root.scrollTop = top + root.scrollHeight - height; // what one reads stays where it is
  };
  // A model on its way into the memory, whichever tab asked for it. A question that waits for it says so itself.
  const load = (state) => {
    const place = one("#engine-loading") ?? element("div", "", '<p></p><progress max="1"></progress>');
    place.id = "engine-loading";
    place.setAttribute("role", "status");
    if (!state) { place.remove(); return; }
    place.hidden = document.body.classList.contains("hearth-running") && Boolean(one("#composer")?.offsetParent);
    place.querySelector("p").textContent = state.words;
    place.querySelector("progress").value = state.share;
    if (!place.isConnected) document.body.append(place);
  };
  const grow = (place, { begins, sections, who, foot }, column) => {
    const at = column ?? 0;
    if (begins || !live[at]) {
      const had = live[at];
      const fresh = live[at] = { article: articleElement("assistant"), sections: [], who: had?.who ?? "" };
      if (column === undefined) { live.length = 1; place.replaceChildren(fresh.article); }
      else if (had) { had.article.replaceWith(fresh.article); nameBeside(fresh.article, fresh.who); }
      else { if (at === 0) place.replaceChildren(); place.append(fresh.article); }
    }
    const answer = live[at];
    if (who !== undefined) { answer.who = who; nameBeside(answer.article, who); }
    for (const [index, kind, title, isOpen, added] of sections) {
      let section = answer.sections[index];
      if (!section) {
        answer.sections[index - 1]?.end();
        section = begun(kind, title, isOpen, kind === "markdown" ? (block) => speak(block, answer.who) : undefined);
        answer.sections[index] = section;
        answer.article.firstElementChild.append(section.place);
      }
      if (isThought(kind)) {
        section.place.firstElementChild.textContent = title;
        if (section.place.open !== isOpen) section.place.open = isOpen;
      }
      section.add(added);
    }
    if (foot === undefined) return; // it has ended, and the other one has not
    answer.sections.at(-1)?.end();
    answer.article.lastElementChild.innerHTML = foot;
  };
  // A screen reader is told blocks that are complete, not words that come one by one; of two answers, whose they are.
  const speak = (block, who) => {
    const said = one("#chat-said");
    if (!said) return;
    said.append(element("p", ""));
    said.lastElementChild.textContent = who ? `${who}: ${block.textContent}` : block.textContent;
    while (said.childElementCount > SPOKEN) said.firstElementChild.remove();
  };

  // Frames are drawn before the next paint, all that have come; after a dear one the page is given time for the rest.
  // What is more than further words waits for no rest, and what comes after it has the next paint to itself: an answer's
  // last words are seen before the page is busy with settling them.
  let waiting = [];
  let isDue = false;
  let restUntil = 0;
  let resting = 0;
  const due = () => {
    [isDue, resting] = [true, 0];
    if (document.hidden) setTimeout(draw); // nothing is painted there, and the end should not have to wait
    else requestAnimationFrame(draw);
  };
  const draw = () => {
    const now = performance.now();
    const urgent = waiting.findIndex((frame) => frame.urgent);
    if (urgent < 0 && now < restUntil) { resting = setTimeout(due, restUntil - now); return; }
    isDue = false;
    const frames = waiting.splice(0, urgent < 0 ? waiting.length : urgent + 1);
    frames.forEach(apply);
    if (frames.some((frame) => frame.stirred)) one("#look")?.click();
    if (frames.some((frame) => frame.banner)) one("#banner-look")?.click();
    if (order.length > MOST_CARDS && !live.length && !isWhole && isAtEnd()) follow(chat, "");
    restUntil = now + Math.min(LONGEST_WAIT_MS, COST_FACTOR * (performance.now() - now));
    if (waiting.length) due();
  };
  const take = (frame) => {
    waiting.push(frame);
    const isWoken = frame.urgent && resting;
    if (isWoken) clearTimeout(resting);
    if (isWoken || !isDue) due();
  };

  const isAtEnd = () => {
    const { scrollHeight, scrollTop, clientHeight } = document.scrollingElement;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  };
  const askForMore = () => {
    const button = one("#chat-earlier");
    if (!hasMore || isAsking || !reader || !button.offsetParent) return;
    if (document.scrollingElement.scrollTop < NEAR_TOP_PX && document.scrollingElement.scrollTop < lastTop) more();
  };
  const more = () => {
    if (!hasMore || isAsking || !reader) return;
    isAsking = true;
    fetch(`/more/${reader}`).then((answer) => { isAsking = answer.ok && isAsking; }, () => { isAsking = false; });
  };
  let lastTop = 0;
  addEventListener("scroll", () => {
    askForMore();
    lastTop = document.scrollingElement.scrollTop;
  }, { passive: true });

  const follow = (id, target) => {
    feed?.close();
    reader = "";
    isWhole = target === WHOLE;
    if (id !== chat && !target) document.dispatchEvent(new Event("hearth-chat"));
    chat = id;
    const source = feed = new EventSource(`/feed/${id}/${target || "-"}`);
    source.addEventListener("reader", (event) => { reader = JSON.parse(event.data); });
    source.addEventListener("frame", (event) => { if (source === feed) take(JSON.parse(event.data)); });
    source.addEventListener("end", () => leave(source)); // there are too many windows: it is another one's turn
    source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) leave(source); });
  };
  const leave = (source) => {
    source.close();
    if (source !== feed) return;
    feed = null;
    document.body.classList.remove("hearth-running"); // nobody tells a page without a feed when an answer ends
    setTimeout(comeBack, AGAIN_MS);
  };
  const comeBack = () => {
    if (feed || !chat || document.hidden) return;
    follow(chat, order[ABOVE_A_TARGET] ?? "");
    one("#look")?.click();
    one("#banner-look")?.click();
  };
  // A browser has few connections for one address: a page that nobody looks at gives its own back.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) comeBack();
    else if (feed && !live.length) { feed.close(); feed = null; }
  });
  for (const sign of ["focus", "pointerdown", "keydown"]) addEventListener(sign, comeBack, { passive: true });

  // For print.js: from the first message on, however long that is, until the page is to be as before.
  window.hearth.transcript = {
    chat: () => chat,
    picturesOf: (key) => cards.get(key)?.pictures ?? [],
    comeBack: () => comeBack(),
    willTurn: () => willTurn(),
    turned: () => turned,
    isTurning: () => turn < wanted,
    showWhole: () => follow(chat, WHOLE),
    isWhole: () => isWhole && order.length > 0 && !hasMore && waiting.length === 0 && !isDue,
    showEnd: () => { if (isWhole) follow(chat, ""); },
  };

  // A person has asked for another chat: what is asked next is meant for that one, however soon it comes.
  let turned = Promise.resolve();
  let hasTurned = () => {};
  let turn = 0; // the server counts: the first is the page's own, when it loads
  let wanted = 1;
  const willTurn = () => {
    wanted = Math.max(wanted, turn) + 1;
    turned = new Promise((resolve) => {
      hasTurned = resolve;
      setTimeout(() => { wanted = Math.min(wanted, turn); resolve(); }, LONGEST_TURN_MS);
    });
  };

  // Which chat, and which message of it: the server leaves a mark.
  let followed = "";
  let isOvertaken = false;
  const noticeMark = () => {
    const mark = one("#chat-target [class*='hearth-chat-']");
    if (!mark || !one("#chat-settled")) return;
    const id = mark.className.match(/hearth-chat-(\w+)/)[1];
    const target = mark.className.match(/hearth-target-(\w+)/)?.[1] ?? "";
    const told = Number(mark.className.match(/hearth-turn-(\d+)/)[1]);
    window.hearth.pictures.edits(mark.className.match(/hearth-edits-(\w+)/)?.[1] ?? "");
    if (told < turn) { // an answer that was overtaken by a later one
      if (!isOvertaken) one("#look")?.click();
      isOvertaken = true;
      return;
    }
    [turn, isOvertaken] = [told, false];
    if (turn >= wanted) hasTurned();
    if (`${id} ${target}` === followed) return;
    const isOther = id !== chat;
    followed = `${id} ${target}`;
    if (isOther || (target && !one(`.hearth-of-${target}`))) follow(id, target);
  };

  addEventListener("click", (event) => {
    if (event.target.closest?.("#chat-earlier")) { more(); return; }
    const button = event.target.closest?.(".hearth-copy, .hearth-copy-code");
    if (!button) return;
    const article = button.closest("article");
    const text = button.matches(".hearth-copy")
      ? [...cards.values()].find((card) => card.article === article)?.copied
      : button.closest(".hearth-code").querySelector("code").textContent;
    navigator.clipboard?.writeText(text ?? "").then(() => {
      button.textContent = words.copied;
      setTimeout(() => { button.textContent = words.copy; }, 1500);
    }, () => {});
  });

  const start = async () => {
    await markup.ready;
    noticeMark();
    let isLooking = false;
    new MutationObserver(() => {
      if (isLooking) return;
      isLooking = true;
      queueMicrotask(() => { isLooking = false; noticeMark(); });
    }).observe(document.body, { subtree: true, childList: true });
  };
  start();
})();
