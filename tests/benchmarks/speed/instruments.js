// What a person would see of an answer, as the page's own clock tells it. All moments are milliseconds since 1970.
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const seen = { pressed: null, first: null, last: null, settled: null, updates: [], gaps: [] };
  let watched = null; // { roots, settled: selectors; first, last: words to look for }
  let grown = 0; // by how many characters the watched text has grown since the last frame
  let isTouched = false;
  const came = { first: false, last: false };

  window.speed = {
    seen,
    now,
    watch(what) {
      watched = what;
    },
    isEndInView() {
      const last = placeOf(watched.last);
      return Boolean(last) && isInView(last);
    },
  };

  // On the window: before any listener of the page, which may keep the key to itself.
  window.addEventListener(
    "keydown",
    (event) => {
      if (watched && event.key === "Enter") seen.pressed ??= performance.timeOrigin + event.timeStamp;
    },
    true,
  );

  const isWatched = (node) => {
    const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
    return Boolean(element?.closest(watched.roots));
  };

  const textOf = (nodes) => Array.from(nodes, (node) => node.textContent).join("");

  // Only what a mutation names is read, so that looking costs about the same in a short chat and a long one.
  const look = (records) => {
    if (!watched) return;
    for (const { type, target, oldValue, addedNodes, removedNodes } of records) {
      if (!isWatched(target)) continue;
      const isText = type === "characterData";
      const added = isText ? target.data : textOf(addedNodes);
      grown += added.length - (isText ? oldValue.length : textOf(removedNodes).length);
      came.first ||= added.includes(watched.first);
      came.last ||= added.includes(watched.last);
      isTouched = true;
    }
  };

  const placeOf = (word) => {
    for (const root of document.querySelectorAll(watched.roots)) {
      const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const at = walker.currentNode.data.indexOf(word);
        if (at < 0) continue;
        const range = document.createRange();
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + word.length);
        const place = range.getBoundingClientRect();
        if (place.height) return { place, element: walker.currentNode.parentElement };
      }
    }
    return null;
  };

  const isInView = ({ place, element }) => {
    const topmost = document.elementFromPoint(place.x + place.width / 2, place.y + place.height / 2);
    return Boolean(topmost) && (element.contains(topmost) || topmost.contains(element));
  };

  // Runs right after a frame was painted: what was in the document before it can be seen now.
  const painted = new MessageChannel();
  painted.port1.onmessage = () => {
    const at = now();
    if (grown) seen.updates.push(at);
    grown = 0;
    if (came.first && !seen.first && placeOf(watched.first)) seen.first = at;
    if (!came.last) return;
    const last = placeOf(watched.last);
    if (!last) return;
    seen.last ??= at;
    if (!seen.settled && last.element.closest(watched.settled)) seen.settled = at;
  };

  let before = now();
  const frame = () => {
    const at = now();
    if (at - before > 50) seen.gaps.push([before, at]);
    before = at;
    if (isTouched) painted.port2.postMessage(null);
    isTouched = false;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);

  new MutationObserver(look).observe(document, {
    subtree: true,
    childList: true,
    characterData: true,
    characterDataOldValue: true,
  });
})();
