// Keeps an open page up to date: the worker says when it has looked, and the parts marked `data-live` are fetched anew.
// Without this the pages work as well; they only stand still.
(() => {
  const note = document.getElementById("live");
  if (!note || !document.querySelector("[data-live]")) return;
  let busy = false;

  // What somebody is writing in, or has opened, is left alone.
  const isInUse = (part) =>
    part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, button, summary");

  const say = (alive) => {
    note.hidden = false;
    note.className = alive ? "note live" : "note dead";
    note.textContent = alive ? note.dataset.liveOn : note.dataset.liveOff;
  };

  const refresh = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        if (!next || isInUse(part)) continue;
        // What somebody has opened stays open, and what says the same stays where it is.
        const open = [...part.querySelectorAll("details")].map((details) => details.open);
        next.querySelectorAll("details").forEach((details, n) => (details.open = Boolean(open[n])));
        if (next.outerHTML !== part.outerHTML) part.replaceWith(document.adoptNode(next));
      }
    } catch {
      // The stream says so when the worker is gone.
    } finally {
      busy = false;
    }
  };

  const stream = new EventSource("/live");
  stream.addEventListener("open", () => say(true));
  stream.addEventListener("look", refresh);
  stream.addEventListener("error", () => say(false));
  document.addEventListener("visibilitychange", refresh);
})();
