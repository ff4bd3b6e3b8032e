// Comfort only: every page works without this file.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.remove("no-js");

  // The error summary takes the focus, so that it is read first.
  var summary = document.getElementById("e");
  if (summary) summary.focus();

  // Show and hide a password; hidden again before it is sent.
  document.querySelectorAll("input[type=password][data-show]").forEach(function (input) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "quiet reveal";
    function set(visible) {
      input.type = visible ? "text" : "password";
      button.textContent = visible ? input.dataset.hide : input.dataset.show;
      button.setAttribute("aria-pressed", String(visible));
    }
    button.addEventListener("click", function () { set(input.type === "password"); });
    input.insertAdjacentElement("afterend", button);
    input.form.addEventListener("submit", function () { set(false); });
    set(false);
  });

  // Copy a key.
  document.querySelectorAll("[data-copy]").forEach(function (place) {
    if (!navigator.clipboard) return;
    var button = document.createElement("button");
    button.type = "button";
    button.className = "second";
    button.textContent = place.dataset.label;
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(place.dataset.copy).then(function () {
        document.getElementById("status").textContent = place.dataset.done;
      });
    });
    place.insertAdjacentElement("afterend", button);
  });

  // The code of the letter's QR stands in the fragment, which no server ever sees.
  var code = document.querySelector("input[name=code][data-prefilled]");
  if (code && /^#[0-9A-Za-z-]{12,20}$/.test(location.hash)) {
    if (!code.value) {
      code.value = location.hash.slice(1);
      document.getElementById("status").textContent = code.dataset.prefilled;
    }
    history.replaceState(null, "", location.pathname + location.search);
  }

  // Say that something is being sent; nothing is disabled.
  document.querySelectorAll("form").forEach(function (form) {
    form.addEventListener("submit", function () { form.setAttribute("aria-busy", "true"); });
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[aria-busy]").forEach(function (form) { form.removeAttribute("aria-busy"); });
  });

  // Where a keyboard is at hand, the one-time code can be typed at once.
  var otp = document.querySelector("input[autocomplete=one-time-code]");
  if (otp && !summary && matchMedia("(pointer: fine)").matches) otp.focus();
})();
