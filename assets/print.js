// Printing: the whole of a chat, under its own title. Afterwards the page shows its end again: all of it would
// be slow to scroll.
(() => {
  "use strict";
  const WAIT_MS = 100;
  const REST_MS = 400; // colours, maths and diagrams come after the words
  const LONGEST_MS = 60_000;
  // In Qt's window print() only asks, and launcher/qt_printing.py says when it is over; elsewhere it returns then.
  const printsLater = navigator.userAgent.includes("QtWebEngine");
  const one = (selector) => document.querySelector(selector);
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  const until = async (claim) => {
    for (let waited = 0; !claim() && waited < LONGEST_MS; waited += WAIT_MS) await pause(WAIT_MS);
    return claim();
  };
  const atRest = async (place) => {
    for (let before = null; place.innerHTML.length !== before; await pause(REST_MS)) before = place.innerHTML.length;
  };
  const isOver = () => new Promise((resolve) => {
    addEventListener("hearth-printed", resolve, { once: true });
    window.print();
    if (!printsLater) setTimeout(resolve, REST_MS);
  });

  // The chat with this id once it is shown; without one, the chat that is.
  let isBusy = false;
  window.hearth.print = async (id) => {
    if (isBusy) return;
    isBusy = true;
    const { transcript } = window.hearth;
    const name = document.title;
    try {
      if (!one("#chat-column")?.offsetParent) one("#tab-chat-button")?.click();
      if (!await until(() => one("#chat-column")?.offsetParent && (!id || transcript.chat() === id))) return;
      if (one("#chat-settled").firstElementChild) {
        transcript.showWhole();
        await until(transcript.isWhole);
        await atRest(one("#chat-settled"));
      }
      document.title = one("#chat-column").dataset.title = one("#chat-target [title]")?.title ?? name;
      await isOver();
    } finally {
      document.title = name;
      transcript.showEnd();
      isBusy = false;
    }
  };
})();
