// What is pasted or dropped into a field: a browser that has to lay out millions of characters in one freezes for minutes.
(() => {
  "use strict";
  const MOST = 1_000_000; // characters
  const { tooLong } = window.hearth.words;
  let told = null;

  const tell = (field, given) => {
    const composer = field.closest("#composer");
    told = composer?.querySelector("#composer-fault") ?? document.createElement("p");
    if (composer) told.id = "composer-fault"; // as composer.js calls it, and fills it too
    told.setAttribute("role", "alert");
    told.textContent = tooLong.replace("{given}", given.toLocaleString("en")).replace("{most}", MOST.toLocaleString("en"));
    told.hidden = false;
    if (composer) composer.prepend(told);
    else field.after(told);
  };
  const weigh = (event, data) => {
    const field = event.target;
    if (!(field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement)) return;
    const given = data?.getData("text/plain").length ?? 0;
    const replaced = (field.selectionEnd ?? 0) - (field.selectionStart ?? 0);
    if (field.value.length - replaced + given <= MOST) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    tell(field, given);
  };
  addEventListener("paste", (event) => weigh(event, event.clipboardData), true);
  addEventListener("drop", (event) => weigh(event, event.dataTransfer), true);
  addEventListener("input", () => {
    if (told) told.hidden = true;
    told = null;
  }, true);
})();
