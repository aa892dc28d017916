// Loaded before anything is painted, so that a chosen theme never flashes the other one. Not a module: modules wait.
(function () {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the preference of the system decides.
  }
})();
