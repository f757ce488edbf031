// A model file that is dropped on the Models tab, or chosen there, goes to the server slice by slice.
(() => {
  "use strict";
  const SLICE_BYTES = 8 * 1024 * 1024;
  const one = (selector) => document.querySelector(selector);
  const words = () => window.hearth.words.models;

  const say = (text, done, total) => {
    const line = one("#model-sent");
    if (!line) return;
    line.replaceChildren();
    if (text) {
      const said = document.createElement("p");
      said.textContent = text;
      line.append(said);
    }
    if (total) {
      const bar = document.createElement("progress");
      bar.max = total;
      bar.value = done;
      line.append(bar);
    }
  };

  const send = async (file) => {
    for (let offset = 0; offset < file.size || offset === 0; offset += SLICE_BYTES) {
      say(words().sending.replace("{name}", file.name), offset, file.size);
      const head = `${JSON.stringify({ name: file.name, offset, total: file.size })}\n`;
      const answer = await fetch("/models/piece", {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream" },
        body: new Blob([head, file.slice(offset, offset + SLICE_BYTES)]),
      });
      const told = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(told.error ?? words().unsent);
      if (told.done) return;
    }
  };

  let isSending = false;
  const sendAll = async (files) => {
    if (isSending) return;
    isSending = true;
    const faults = [];
    for (const file of files) {
      try { await send(file); } catch (fault) { faults.push(fault instanceof TypeError ? words().unsent : fault.message); }
    }
    isSending = false;
    one("#models-look")?.click();
    say(faults.join(" ") || words().sent, 0, 0);
  };

  const isHere = (event) => event.target.closest?.("#models-page") && event.dataTransfer?.types?.includes("Files");
  const light = (isLit) => one("#model-drop")?.classList.toggle("hearth-lit", isLit);
  addEventListener("dragover", (event) => {
    if (!isHere(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    light(true);
  });
  addEventListener("dragleave", () => light(false));
  addEventListener("drop", (event) => {
    light(false);
    if (!isHere(event)) return;
    event.preventDefault();
    sendAll([...event.dataTransfer.files]);
  });
  addEventListener("change", (event) => {
    if (event.target.id !== "model-files") return;
    const files = [...event.target.files];
    event.target.value = "";
    if (files.length) sendAll(files);
  });
})();
