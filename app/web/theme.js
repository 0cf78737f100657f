// Runs before the first paint, so that a dark page never flashes white.
(function () {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function apply() {
    let chosen = "system";
    try {
      chosen = localStorage.getItem("acestep-theme") ?? "system";
    } catch {
      // Storage can be forbidden: the page then follows the system.
    }
    const theme = chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme = theme;
  }
  apply();
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  addEventListener("acestep-theme", apply);
})();
