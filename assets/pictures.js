// Pictures in the composer and in questions. What is attached goes to the server at once, which keeps it with the draft
// (assistant/ui/pictures.py); names and pictures of a chat become no HTML here.
(() => {
  "use strict";
  const MOST_BYTES = 20_000_000; // see pictures.py
  const AGAIN_MS = 400;
  const MOST_TRIES = 8;
  const words = window.hearth.words.pictures;
  const one = (selector) => document.querySelector(selector);
  const made = (name, classes, text = "") => {
    const element = document.createElement(name);
    element.className = classes;
    element.textContent = text;
    return element;
  };

  let draft = { files: [], blind: "" }; // as the feed told it last
  let edited = null; // the pictures of the question that is edited, with what was done to them
  let editing = "";
  let sending = []; // those that a question has just taken along
  let coming = []; // on their way to the server
  let arrived = []; // there, and not told by the feed yet
  const chat = () => window.hearth.transcript.chat();
  const isGone = (file) => sending.includes(file.id);
  const fresh = () => arrived.filter((file) => !draft.files.some((each) => each.id === file.id));
  const files = () => (edited ?? [...draft.files, ...fresh()]).filter((file) => !isGone(file));

  const address = (id) => `/attached/${id}`;
  const image = (source, name) => {
    const element = made("img", "");
    element.src = source;
    element.alt = name;
    element.decoding = "async";
    element.draggable = false;
    return element;
  };
  // A picture to look at. Where its file is gone, its name is left.
  const thumbnail = ({ id, name }) => {
    const button = made("button", "hearth-picture");
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", words.open.replace("{name}", name));
    const shown = image(address(id), name);
    shown.addEventListener("error", () => button.replaceWith(made("span", "hearth-file", name)));
    button.append(shown);
    button.addEventListener("click", () => open(id, name));
    return button;
  };
  const open = (id, name) => {
    const place = made("dialog", "hearth-lightbox");
    place.setAttribute("aria-label", name);
    const shut = made("button", "hearth-lightbox-shut", "×");
    shut.type = "button";
    shut.setAttribute("aria-label", window.hearth.words.close);
    place.append(shut, image(address(id), name), made("p", "", name));
    place.addEventListener("click", () => place.close());
    place.addEventListener("close", () => place.remove());
    document.body.append(place);
    place.showModal();
  };
  const row = (shown) => {
    const place = made("div", "hearth-pictures");
    place.append(...shown.map(thumbnail));
    return place;
  };

  // The strip above the text, and the button that opens the system's dialog.
  const strip = () => {
    const there = one("#composer-pictures");
    if (there || !one("#composer-box")) return there;
    const place = made("div", "");
    place.id = "composer-pictures";
    place.setAttribute("aria-live", "polite");
    one("#composer-box").before(place);
    return place;
  };
  const dress = () => {
    if (one("#attach") || !one("#composer-box")) return;
    const button = made("button", "", "");
    button.id = "attach";
    button.type = "button";
    button.title = words.attach;
    button.setAttribute("aria-label", words.attach);
    const input = made("input", "");
    input.id = "attach-files";
    input.type = "file";
    input.multiple = true;
    input.accept = "image/png,image/jpeg,image/webp,image/gif";
    input.hidden = true;
    input.tabIndex = -1;
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const chosen = [...input.files];
      input.value = "";
      attach(chosen);
    });
    one("#composer-box").prepend(button, input);
  };
  const draw = () => {
    dress();
    const place = strip();
    if (!place) return;
    const shown = files();
    place.replaceChildren();
    for (const file of shown) {
      const item = made("span", "composer-picture");
      const shut = made("button", "composer-picture-off", "×");
      shut.type = "button";
      shut.setAttribute("aria-label", words.remove.replace("{name}", file.name));
      shut.title = shut.getAttribute("aria-label");
      shut.addEventListener("click", () => remove(file));
      item.append(thumbnail(file), shut);
      place.append(item);
    }
    for (const each of coming) {
      const item = made("span", "composer-picture composer-picture-coming");
      item.title = words.coming.replace("{name}", each.name);
      place.append(item);
    }
    if (draft.blind && (shown.length || coming.length)) {
      const line = made("p", "composer-blind", draft.blind);
      line.setAttribute("role", "status");
      place.append(line);
    }
    place.hidden = !place.childElementCount;
  };
  const say = (why) => window.hearth.composer.tell(why);

  // One after the other: each is drawn anew by the server, and only so many bytes are let in at a time.
  let queue = Promise.resolve();
  const attach = (chosen) => {
    if (!chosen.length || !chat()) return;
    say("");
    const asked = chat();
    for (const file of chosen) {
      coming.push(file);
      queue = queue.then(() => upload(file, asked)).finally(() => {
        coming = coming.filter((each) => each !== file);
        draw();
      });
    }
    draw();
    one("#chat-input textarea")?.focus();
  };
  const upload = async (file, asked) => {
    const name = file.name || words.pasted;
    try {
      if (file.size > MOST_BYTES) throw new Error(words.large.replace("{name}", name));
      const head = `${JSON.stringify({ chat: asked, name })}\n`;
      let answer = null;
      for (let tries = 0; tries < MOST_TRIES; tries += 1) {
        answer = await fetch("/pictures", {
          method: "POST",
          headers: { "Content-Type": "application/octet-stream" },
          body: new Blob([head, file]),
        });
        if (answer.status !== 503 || answer.headers.get("content-type")?.includes("json")) break;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS)); // the door is crowded
      }
      const told = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(told.error ?? words.failed.replace("{name}", name));
      if (asked !== chat()) return;
      if (!draft.files.some((each) => each.id === told.id)) arrived.push(told); // else the feed was quicker
      edited?.push(told);
    } catch (fault) {
      say(fault instanceof TypeError ? words.failed.replace("{name}", name) : fault.message);
    }
  };
  const remove = async (file) => {
    const isOfDraft = draft.files.some((each) => each.id === file.id) || arrived.some((each) => each.id === file.id);
    if (edited) edited = edited.filter((each) => each.id !== file.id);
    arrived = arrived.filter((each) => each.id !== file.id);
    draft = { ...draft, files: draft.files.filter((each) => each.id !== file.id) };
    draw();
    one("#chat-input textarea")?.focus();
    if (!isOfDraft) return; // it stays with the question that is edited
    const answer = await fetch("/pictures/remove", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ chat: chat(), id: file.id }),
    }).catch(() => null);
    if (!answer?.ok) say((await answer?.json().catch(() => ({})))?.error ?? window.hearth.words.unasked);
  };

  // Pasted and dropped. Text that comes along is what was meant: a spreadsheet's cells bring a picture of themselves.
  const pictured = (data) => [...(data?.files ?? [])];
  const chatIsOpen = () => Boolean(one("#composer")?.offsetParent);
  addEventListener("paste", (event) => {
    const chosen = pictured(event.clipboardData);
    if (!chosen.length || !chatIsOpen() || event.clipboardData.getData("text/plain")) return;
    if (!event.target.closest?.("#composer") && event.target.matches?.("input, textarea")) return;
    event.preventDefault();
    attach(chosen);
  });
  const isFiles = (event) => chatIsOpen() && event.dataTransfer?.types?.includes("Files");
  const light = (isLit) => one("#composer")?.classList.toggle("hearth-lit", isLit);
  addEventListener("dragover", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    light(true);
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) light(false); });
  addEventListener("drop", (event) => {
    light(false);
    if (!isFiles(event)) return;
    event.preventDefault();
    attach(pictured(event.dataTransfer));
  });

  document.addEventListener("hearth-chat", () => {
    draft = { files: [], blind: "" };
    [edited, editing, sending, arrived] = [null, "", [], []];
    draw();
  });

  window.hearth.pictures = {
    row,
    tell: (state) => {
      draft = state;
      const known = new Set(state.files.map((file) => file.id));
      sending = sending.filter((id) => known.has(id));
      arrived = arrived.filter((file) => !known.has(file.id));
      draw();
    },
    // Which question is edited, as the server's mark says: its pictures stand in the composer meanwhile.
    edits: (id) => {
      dress();
      if (id === editing) return;
      editing = id;
      edited = id ? [...window.hearth.transcript.picturesOf(id)] : null;
      draw();
    },
    has: () => files().length > 0 || coming.length > 0,
    // What a question takes along, once all have arrived.
    taken: async () => {
      await queue;
      const ids = files().map((file) => file.id);
      sending = [...sending, ...ids];
      arrived = arrived.filter((file) => !ids.includes(file.id));
      draw();
      return ids;
    },
    giveBack: (ids) => {
      sending = sending.filter((id) => !ids.includes(id));
      draw();
    },
  };
})();
