"use strict";
// The page knows its own address; the key it never sees.
const variables = document.querySelector("#variables code");
const address = location.href.replace(/\/docs\/?(?:[?#].*)?$/, "");
if (location.protocol.startsWith("http")) variables.textContent = `export URL=${address} KEY=your-key DATA_BUCKET=your-bucket`;

if (matchMedia("(max-width: 56rem)").matches) document.querySelector("nav details").open = false;

// An address that names a folded part opens it.
const unfold = () => {
  const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (part instanceof HTMLDetailsElement) part.open = true;
};
addEventListener("hashchange", unfold);
unfold();

for (const button of document.querySelectorAll(".code button")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
