// Runs before anything is painted, so that a dark page never flashes in white.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("ddp-mlp-theme"); } catch { /* storage may be forbidden */ }
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    document.documentElement.dataset.theme = chosen || (prefersDark.matches ? "dark" : "light");
    dispatchEvent(new Event("themechange"));
  };
  globalThis.switchTheme = () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("ddp-mlp-theme", chosen); } catch { /* it holds until the page is closed */ }
    paint();
  };
  prefersDark.addEventListener("change", paint);
  paint();
})();
