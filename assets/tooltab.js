// The Tools tab: colours for a person's source, Markdown that a function gave, and a look at the files while one is there.
(() => {
  "use strict";
  const LOOK_MS = 3000;
  const one = (selector) => document.querySelector(selector);
  const isSeen = () => !document.hidden && one("#tools-page")?.offsetParent;
  const { markup } = window.hearth;

  const look = () => { if (isSeen()) one("#tools-look")?.click(); };
  setInterval(look, LOOK_MS);
  addEventListener("focus", look);

  // Markdown comes as plain text, and is read as an answer is: without HTML, pictures or other links than to the web.
  const read = (place) => {
    const text = place.textContent;
    const shown = document.createElement("div");
    shown.className = "hearth-prose hearth-read";
    shown.innerHTML = markup.blocksOf(text).map(({ html }) => html()).join("");
    place.replaceWith(shown);
    markup.finish(shown);
  };
  const paint = () => {
    for (const code of document.querySelectorAll("#tools-page code.hearth-python, #tools-page code.hearth-json")) {
      code.dataset.language = code.className.replace("hearth-", "");
      code.className = "";
      markup.finish(code.parentElement);
    }
    for (const place of document.querySelectorAll("#tools-page pre.hearth-markdown")) {
      markup.ready.then(() => { if (place.isConnected) read(place); });
    }
    const tried = one("#tool-tried .hearth-tool-form");
    if (tried && !tried.dataset.shown) {
      tried.dataset.shown = "yes";
      tried.scrollIntoView({ block: "nearest" });
    }
  };
  let isDue = false;
  new MutationObserver(() => {
    if (isDue || !isSeen()) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; paint(); });
  }).observe(document, { childList: true, subtree: true });
})();
