// Comfort only: every page works without this file.
(function () {
  "use strict";
  var root = document.documentElement;
  var status = document.getElementById("status");
  var BACKGROUND = { "X-Connect-Background": "1" }; // what the page asks by itself does not keep its session open
  root.classList.remove("no-js");

  function each(selector, work) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), work);
  }

  function makeButton(words, look, act) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = look;
    button.textContent = words;
    button.addEventListener("click", function () { act(button); });
    return button;
  }

  // The error summary takes the focus, so that it is read first; its links lead into the field itself.
  var summary = document.getElementById("e");
  if (summary) summary.focus();
  each("#e a", function (link) {
    link.addEventListener("click", function (event) {
      var field = document.querySelector(link.hash);
      if (!field) return;
      event.preventDefault();
      (field.labels && field.labels[0] ? field.labels[0] : field).scrollIntoView();
      field.focus({ preventScroll: true });
    });
  });

  // Show and hide a password; hidden again before it is sent.
  each("input[type=password][data-show]", function (input) {
    var button = makeButton("", "quiet", function () { set(input.type === "password"); });
    function set(visible) {
      input.type = visible ? "text" : "password";
      button.textContent = visible ? input.dataset.hide : input.dataset.show;
      button.setAttribute("aria-pressed", String(visible));
    }
    input.insertAdjacentElement("afterend", button);
    input.form.addEventListener("submit", function () { set(false); });
    set(false);
  });

  // Copy a key or a reference.
  each("[data-copy]", function (place) {
    if (!navigator.clipboard) return;
    place.insertAdjacentElement("afterend", makeButton(place.dataset.label, "second", function (button) {
      navigator.clipboard.writeText(place.dataset.copy).then(function () {
        status.textContent = button.textContent = place.dataset.done;
      });
    }));
  });

  each("[data-print]", function (place) {
    place.appendChild(makeButton(place.dataset.print, "second", function () { window.print(); }));
  });

  // The code of the letter's QR stands in the fragment, which no server ever sees.
  var code = document.querySelector("input[name=code][data-prefilled]");
  if (code && /^#[0-9A-Za-z_-]{12,60}$/.test(location.hash)) {
    code.value = location.hash.slice(1);
    status.textContent = code.dataset.prefilled;
    history.replaceState(null, "", location.pathname + location.search);
  }

  // A long list of portals shortens while one types; case and accents do not matter.
  function plain(text) {
    return text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  }
  each("input[data-filter]", function (input) {
    var items = document.getElementById(input.dataset.filter).children;
    input.addEventListener("input", function () {
      var shown = Array.prototype.filter.call(items, function (item) {
        item.hidden = plain(item.textContent).indexOf(plain(input.value.trim())) < 0;
        return !item.hidden;
      });
      status.textContent = shown.length ? "" : input.dataset.none.replace("{q}", input.value.trim());
    });
  });

  // Another language keeps what was typed so far: the server stores it with the step, never passwords or codes.
  var form = document.querySelector("form[data-keep]");
  each(form ? ".languages a" : "nothing", function (link) {
    link.addEventListener("click", function (event) {
      if (event.ctrlKey || event.metaKey || event.shiftKey || !window.fetch) return;
      event.preventDefault();
      function go() { location.assign(link.href); }
      var typed = new FormData(form);
      typed.delete("password");
      fetch(form.dataset.keep, { method: "POST", body: new URLSearchParams(typed) }).then(go, go);
    });
  });

  // Say that something is being sent; nothing is disabled.
  each("form", function (form) {
    form.addEventListener("submit", function () { form.setAttribute("aria-busy", "true"); });
  });
  window.addEventListener("pageshow", function () {
    each("form[aria-busy]", function (form) { form.removeAttribute("aria-busy"); });
  });

  // At sign-in, where a keyboard is at hand, the code can be typed at once.
  var otp = document.querySelector("input[data-focus]");
  if (otp && !summary && matchMedia("(pointer: fine)").matches) otp.focus();

  // The telephone may offer the texted code to the field (WebOTP); it is never sent without the person.
  var texted = document.querySelector("input[data-sms]");
  if (texted && "OTPCredential" in window) {
    var stop = new AbortController();
    texted.form.addEventListener("submit", function () { stop.abort(); });
    navigator.credentials.get({ otp: { transport: ["sms"] }, signal: stop.signal }).then(function (found) {
      if (found && !texted.value) texted.value = found.code;
    }, function () {});
  }

  // An account page says that its session ends while there is time to act. How long is left only the server knows:
  // the session may be in use in another tab.
  var timeout = document.getElementById("timeout");
  if (timeout && timeout.showModal && window.fetch) warn(timeout, timeout.dataset);

  function warn(dialog, told) {
    var form = dialog.querySelector("form"), close = dialog.querySelector("[type=button]");
    var link = dialog.querySelector("a"), warnFor = Number(told.warn), isClosed = false, isOver = false, timer;

    function ask(body) {
      clearTimeout(timer);
      fetch(form.action, body ? { method: "POST", body: body } : { headers: BACKGROUND }).then(function (answer) {
        return answer.json();
      }).then(show).catch(function () { later(10); });
    }
    function later(seconds) {
      clearTimeout(timer);
      timer = setTimeout(ask, seconds * 1000);
    }
    function show(now) {
      isOver = now.left <= 0;
      form.removeAttribute("aria-busy");
      if (now.left > warnFor) {
        isClosed = false;
        if (dialog.open) dialog.close();
        later(now.left - warnFor);
        return;
      }
      form.hidden = isOver || now.final;
      close.hidden = isOver || !now.final;
      link.hidden = !isOver;
      dialog.classList.toggle("over", isOver);
      var words = (isOver ? told.over : now.final ? told.last : told.words).replace("{time}", now.time);
      var place = dialog.firstElementChild;
      if (place.textContent !== words) place.textContent = words;
      if (!dialog.open && (isOver || !isClosed)) dialog.showModal();
      if (isOver) link.focus();
      if (!isOver) later(Math.min(now.left, 10));
    }

    link.href = location.href;
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      ask(new URLSearchParams(new FormData(form)));
    });
    close.addEventListener("click", function () { isClosed = true; dialog.close(); });
    dialog.addEventListener("cancel", function (event) {
      if (isOver) event.preventDefault();
      isClosed = true;
    });
    document.addEventListener("visibilitychange", function () { if (!document.hidden) ask(); });
    later(Math.max(0, told.left - warnFor));
  }

  // Passkeys: their button stands only where the browser knows them. What the authenticator answers is sent as a form.
  var place = document.querySelector("[data-passkey]");
  var canPasskeys = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;
  if (place && canPasskeys) passkeys(place.dataset);
  each(canPasskeys ? "[data-offer]" : "nothing", function (offer) {
    var link = document.createElement("a");
    link.href = offer.dataset.offer;
    link.textContent = offer.dataset.label;
    offer.appendChild(link);
  });

  function passkeys(asked) {
    var field = document.querySelector("input[name=passkey]"), isNew = asked.passkey === "create";
    var running = new AbortController(), isOpen = false;

    function ask(mediation) {
      running.abort();
      running = new AbortController();
      var options = JSON.parse(asked.options);
      return navigator.credentials[isNew ? "create" : "get"]({
        mediation: mediation,
        signal: running.signal,
        publicKey: PublicKeyCredential[isNew ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON"](options)
      }).then(function (answer) {
        var password = field.form.elements.password;
        if (password) password.value = "";
        field.value = JSON.stringify(answer);
        field.form.submit();
      });
    }

    // The e-mail field offers the passkeys of this device; whatever else happens there is nobody's fault.
    function offer() {
      if (isNew || isOpen || !PublicKeyCredential.isConditionalMediationAvailable) return;
      PublicKeyCredential.isConditionalMediationAvailable().then(function (can) {
        if (can && !isOpen) ask("conditional").catch(function () {});
      });
    }

    place.querySelectorAll("[data-none]").forEach(function (words) { words.remove(); });
    place.appendChild(makeButton(asked.label, asked.look, function () {
      if (isOpen) return;
      isOpen = true;
      status.textContent = "";
      ask().catch(function (error) {
        isOpen = false;
        status.textContent = error.name === "InvalidStateError" ? asked.known : asked.failed;
        offer();
      });
    }));
    offer();

    // A question is good for five minutes; people take longer.
    setInterval(function () {
      if (isOpen) return;
      fetch(location.href, { headers: BACKGROUND }).then(function (page) { return page.text(); }).then(function (html) {
        var fresh = new DOMParser().parseFromString(html, "text/html").querySelector("[data-passkey]");
        if (!fresh || isOpen || fresh.dataset.passkey !== asked.passkey) return;
        asked.options = fresh.dataset.options;
        offer();
      }).catch(function () {});
    }, 120000);
  }
})();
