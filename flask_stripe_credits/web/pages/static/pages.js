"use strict";

// All of it works without this script. It keeps buttons from being pressed twice, and tells of a
// payment as soon as it is confirmed.

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 15_000;
const LATE = 45_000;
const GIVE_UP = 30 * 60_000;

for (const form of document.querySelectorAll("form[data-fsc-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.fscSent) event.preventDefault();
    form.dataset.fscSent = "yes";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  });
}

// Ask how the purchase stands, and show what the server says of it once that has changed.
async function watch(section) {
  const began = Date.now();
  for (let pause = FIRST_PAUSE; section.dataset.fscWatch && Date.now() - began < GIVE_UP; ) {
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 1.4, LONGEST_PAUSE);
    if ((await currentState(section)) !== section.dataset.fscState) {
      if (await showAnew(section)) pause = FIRST_PAUSE;
    } else if (Date.now() - began > LATE) {
      const late = section.querySelector("[data-fsc-late]");
      if (late) late.hidden = false;
    }
  }
}

async function currentState(section) {
  try {
    const response = await fetch(section.dataset.fscWatch);
    return response.ok ? (await response.json()).state : section.dataset.fscState;
  } catch {
    return section.dataset.fscState;
  }
}

async function showAnew(section) {
  try {
    const response = await fetch(location.href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("[data-fsc-outcome]");
    if (!response.ok || !fresh) return false;
    delete section.dataset.fscWatch;
    Object.assign(section.dataset, fresh.dataset);
    // Part by part: what is read aloud is the part that says how it stands.
    for (const part of section.querySelectorAll("[data-fsc-part]")) {
      const own = fresh.querySelector(`[data-fsc-part="${part.dataset.fscPart}"]`);
      part.replaceChildren(...(own ? own.childNodes : []));
    }
    document.title = page.title;
    return true;
  } catch {
    return false;
  }
}

for (const section of document.querySelectorAll("[data-fsc-watch]")) watch(section);

// What went wrong may have happened below the fold.
document.querySelector(".fsc-package [role=alert]")?.closest(".fsc-package").scrollIntoView({ block: "nearest" });

// A page that the browser kept while its owner was elsewhere may be out of date.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.replace(location.pathname + location.search);
});
