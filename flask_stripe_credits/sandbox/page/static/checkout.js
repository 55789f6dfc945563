"use strict";

// The page works without this: it only groups digits and keeps a form from being sent twice.

function tidy(input, tidied) {
  input.addEventListener("input", () => {
    const atEnd = input.selectionStart === input.value.length;
    if (atEnd) input.value = tidied(input.value);
  });
}

function digitsOf(text, longest) {
  return text.replace(/\D/g, "").slice(0, longest);
}

function tidyNumber(text) {
  return digitsOf(text, 19).replace(/(\d{4})(?=\d)/g, "$1 ");
}

// "1/30" and "130" typed digit by digit differ only by the slash; browsers fill in "01/2030".
function tidyExpiry(text) {
  const oneDigitMonth = /^\s*([2-9]|\d\s*\/)/.test(text);
  const digits = (oneDigitMonth ? "0" : "") + digitsOf(text, 6);
  const year = /^20\d\d$/.test(digits.slice(2)) ? digits.slice(4) : digits.slice(2, 4);
  return digits.length > 2 || /\/\s*$/.test(text) ? digits.slice(0, 2) + " / " + year : digits;
}

function tidyIban(text) {
  const plain = text.replace(/[^A-Za-z0-9]/g, "").toUpperCase().slice(0, 34);
  return plain.replace(/(.{4})(?=.)/g, "$1 ");
}

function sendOnce(form) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    const button = event.submitter;
    form.setAttribute("aria-busy", "true");
    if (button && button.dataset.busy) {
      button.dataset.text = button.textContent;
      button.textContent = button.dataset.busy;
    }
  });
  // Coming back with the browser's back button shows the page as it was left.
  window.addEventListener("pageshow", () => {
    sent = false;
    form.removeAttribute("aria-busy");
    for (const button of form.querySelectorAll("button[data-text]")) {
      button.textContent = button.dataset.text;
    }
  });
}

for (const form of document.querySelectorAll("form[data-checkout]")) {
  sendOnce(form);
  const { number, expiry, cvc, iban } = form.elements;
  if (number) tidy(number, tidyNumber);
  if (expiry) tidy(expiry, tidyExpiry);
  if (cvc) tidy(cvc, (text) => digitsOf(text, 4));
  if (iban) tidy(iban, tidyIban);
  const wrong = form.querySelector("[aria-invalid]") || document.querySelector(".notice");
  if (wrong) wrong.focus();
}
