// What the page's links and keys do: links that are commands (see assistant/ui/links.py), the side bar, the shortcuts.
(() => {
  "use strict";
  const WIDE = window.matchMedia("(min-width: 900px)");
  const UNDO_MS = 20_500; // a little more than UNDO_SECONDS in assistant/conversations.py
  const one = (selector) => document.querySelector(selector);

  // A command goes to the server through a field that nobody sees. The number tells two of a kind apart.
  let number = 0;
  const send = (command) => {
    const verb = command.split("/")[0];
    const name = verb === "model-use" ? verb : verb.startsWith("model-") ? "model-command"
      : verb.startsWith("tool-") ? "tool-command" : "command";
    const field = one(`#${name} input, #${name} textarea`);
    if (!field) return;
    number += 1;
    const prototype = field.tagName === "INPUT" ? HTMLInputElement.prototype : HTMLTextAreaElement.prototype;
    Object.getOwnPropertyDescriptor(prototype, "value").set.call(field, `${command}/${number}`);
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent("keypress", { key: "Enter", bubbles: true, cancelable: true }));
  };

  const shutMenus = (except) => {
    for (const menu of document.querySelectorAll("details.hearth-more[open]")) if (menu !== except) menu.open = false;
  };

  const hereOnly = { shortcuts: () => showShortcuts(true) };
  const ofMessages = ["edit", "retry", "continue", "show", "branch", "split", "erase", "other", "leave-oldest",
    "summarise-oldest", "send-all", "undo-files", "redo-files"];
  const showsAnotherChat = ["open", "jump", "private"];
  let stepped = null;
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#hearth/']");
    stepped = null;
    shutMenus(link ? null : event.target.closest?.("details.hearth-more"));
    if (!link) return;
    event.preventDefault();
    event.stopPropagation();
    const command = link.getAttribute("href").slice("#hearth/".length);
    const verb = command.split("/")[0];
    if (link.closest(".hearth-tool-output")) return; // a tool wrote it
    if (link.closest("#chat-column") && !ofMessages.includes(verb)) return; // a model wrote it
    if (hereOnly[verb]) { hereOnly[verb](); return; }
    if (verb === "print") {
      const id = command.split("/")[1];
      if (id !== window.hearth.transcript.chat()) send(`open/${id}`);
      window.hearth.print(id);
      return;
    }
    if (verb === "delete" || verb === "split" || verb === "restore" || showsAnotherChat.includes(verb)) {
      window.hearth.transcript.willTurn();
    }
    send(command);
    if (verb === "delete") setTimeout(() => one("#look")?.click(), UNDO_MS);
    if (showsAnotherChat.includes(verb)) {
      if (!WIDE.matches) showSidebar(false);
      if (verb !== "jump") compose();
    }
    if (verb === "edit" || verb === "branch") compose();
  }, true);

  // The side bar: beside the page in a wide window, over it in a narrow one.
  const sidebarIsOpen = () => !document.body.classList.contains("hearth-sidebar-shut");
  const showSidebar = (isOpen) => {
    document.body.classList.toggle("hearth-sidebar-shut", !isOpen);
    one("#sidebar-toggle")?.setAttribute("aria-expanded", String(isOpen));
  };
  const fit = () => {
    document.body.classList.toggle("hearth-wide", WIDE.matches);
    showSidebar(WIDE.matches);
  };
  WIDE.addEventListener("change", fit);
  addEventListener("click", (event) => {
    if (event.target.closest?.("#new-chat")) window.hearth.transcript.willTurn();
    if (event.target.closest?.("#sidebar-toggle")) { showSidebar(!sidebarIsOpen()); return; }
    if (WIDE.matches || !sidebarIsOpen()) return;
    if (!event.target.closest?.("#sidebar") || event.target.closest?.("#new-chat")) showSidebar(false);
  });

  const compose = () => one("#chat-input textarea")?.focus();
  const search = () => {
    showSidebar(true);
    const field = one("#search-chats input, #search-chats textarea");
    field?.focus();
    field?.select();
  };
  // Steps may be quicker than the page: while it shows the chat of the last step, one goes on from where that led.
  const step = (by) => {
    const links = [...document.querySelectorAll("#chat-list .hearth-do-open")];
    const shown = window.hearth.transcript.chat();
    const at = stepped?.from === shown ? stepped.to : shown;
    const here = links.findIndex((link) => idOf(link) === at);
    const next = links[here < 0 ? 0 : here + by];
    if (!next) return;
    next.click();
    stepped = { from: shown, to: idOf(next) };
  };
  const idOf = (link) => link.getAttribute("href").split("/").at(-1);

  let cameFrom = null;
  const showShortcuts = (isShown) => {
    const box = one("#shortcuts");
    if (!box) return;
    if (isShown) cameFrom = document.activeElement;
    box.classList.toggle("hearth-shown", isShown);
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-modal", "true");
    box.tabIndex = -1;
    if (isShown) box.focus();
    else cameFrom?.focus?.();
  };
  const shortcutsAreShown = () => one("#shortcuts")?.classList.contains("hearth-shown");
  addEventListener("click", (event) => {
    if (shortcutsAreShown() && !event.target.closest?.("#shortcuts > *, .hearth-do-shortcuts")) showShortcuts(false);
  });

  const keys = {
    "ctrl+shift+o": () => one("#new-chat")?.click(),
    "ctrl+k": search,
    "ctrl+b": () => showSidebar(!sidebarIsOpen()),
    "ctrl+/": () => showShortcuts(!shortcutsAreShown()),
    "alt+arrowup": () => step(-1),
    "alt+arrowdown": () => step(1),
    "shift+escape": compose,
    "ctrl+p": () => window.hearth.print(),
  };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.shiftKey) {
      if (shortcutsAreShown()) { showShortcuts(false); return; }
      const menu = one("details.hearth-more[open]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
      one("#composer-no")?.click();
      return;
    }
    const held = (event.ctrlKey || event.metaKey ? "ctrl+" : "") + (event.altKey ? "alt+" : "") + (event.shiftKey ? "shift+" : "");
    const action = keys[held + event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }, true);

  // A message that was jumped to comes into view, once.
  let jumpedTo = null;
  const jump = () => {
    const mark = one("#chat-target [class*='hearth-target-']");
    const id = mark ? mark.className.match(/hearth-target-(\w+)/)[1] : null;
    if (id === jumpedTo) return;
    const place = id && one(`.hearth-of-${id}`)?.closest("article");
    if (id && !place) return;
    jumpedTo = id;
    if (!place) return;
    place.scrollIntoView({ block: "center" });
    place.classList.add("hearth-jumped");
    setTimeout(() => place.classList.remove("hearth-jumped"), 2500);
  };

  // A file that was made for the person is downloaded, once.
  let given = null;
  const download = () => {
    const button = one("#export-link");
    const words = button ? button.textContent.trim() : given;
    if (given !== null && words !== given) button.click();
    given = words;
  };

  // What Gradio's cleaning takes out of our HTML, or puts in that says nothing to a screen reader.
  const tidy = () => {
    for (const row of document.querySelectorAll("#chat-list .hearth-row > a")) {
      const isCurrent = row.parentElement.classList.contains("hearth-current");
      if (isCurrent !== row.hasAttribute("aria-current")) row.toggleAttribute("aria-current", isCurrent);
    }
    for (const hidden of document.querySelectorAll("#command input, #command textarea, #look, #banner-look")) {
      if (hidden.tabIndex !== -1) { hidden.tabIndex = -1; hidden.setAttribute("aria-hidden", "true"); }
    }
  };

  const start = () => {
    fit();
    let isDue = false;
    new MutationObserver(() => {
      if (isDue) return;
      isDue = true;
      requestAnimationFrame(() => { isDue = false; tidy(); jump(); download(); });
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
