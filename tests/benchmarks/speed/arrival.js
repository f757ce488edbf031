// When a page can be used, and when the words of an answer that nobody knows beforehand can be seen. Moments are
// milliseconds since 1970, as the page's own clock tells them.
(() => {
  const KEPT_MS = 500; // a letter that is gone by then was not taken
  const now = () => performance.timeOrigin + performance.now();
  // usable: a letter stands in the input. pressed: the last Enter. grown: [moment, characters of all answers], as they
  // grew.
  const arrival = (window.arrival = { usable: null, pressed: null, grown: [], watch, forget });
  let input = "";
  let answers = "";
  let isLooking = false;
  let most = 0;

  function watch(selectors) {
    ({ input, answers } = selectors);
    requestAnimationFrame(lookForInput);
  }

  // What was seen so far belonged to another chat.
  function forget() {
    arrival.grown.length = most = 0;
  }

  const place = () => {
    const found = document.querySelector(input);
    if (!found || found.disabled || found.readOnly) return null;
    const { x, y, width, height } = found.getBoundingClientRect();
    return height && found.contains(document.elementFromPoint(x + width / 2, y + height / 2)) ? found : null;
  };
  const lookForInput = () => {
    const found = place();
    if (!found) { requestAnimationFrame(lookForInput); return; }
    found.focus();
    document.execCommand("insertText", false, "x"); // as a key does: the page hears of it
    afterPaint(() => {
      if (place()?.value !== "x") { requestAnimationFrame(lookForInput); return; }
      arrival.usable = now();
      setTimeout(() => {
        if (arrival.pressed || place()?.value === "x") return;
        arrival.usable = null;
        lookForInput();
      }, KEPT_MS);
    });
  };

  // Runs right after a frame was painted: what was in the document before it can be seen now.
  const afterPaint = (then) => {
    const painted = new MessageChannel();
    painted.port1.onmessage = then;
    requestAnimationFrame(() => painted.port2.postMessage(null));
  };

  const measure = () => {
    isLooking = false;
    const at = now();
    let characters = 0;
    for (const each of document.querySelectorAll(answers)) characters += each.textContent.trimEnd().length;
    if (characters > most) arrival.grown.push([at, characters]);
    most = Math.max(most, characters);
  };
  new MutationObserver(() => {
    if (!answers || isLooking) return;
    isLooking = true;
    afterPaint(measure);
  }).observe(document, { subtree: true, childList: true, characterData: true });

  addEventListener("keydown", (event) => {
    if (event.key === "Enter") arrival.pressed = performance.timeOrigin + event.timeStamp;
  }, true);
})();
