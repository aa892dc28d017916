import { find } from "../dom.js";
import { ofPerson } from "../storage.js";

/** A sound for critical alerts, for those who switched it on. Two tones, made here: no file, nothing to load. */

const TONES_HZ = [880, 660];
const TONE_S = 0.18;
const sound = /** @type {HTMLInputElement} */ (find("#sound"));

const wished = () => ofPerson.get("sound") === "on";

/** Sound, if it is wished. Browsers keep silent until one has clicked something on the page. */
export function chime() {
  if (!wished()) return;
  const context = new AudioContext();
  TONES_HZ.forEach((frequency, place) => {
    const tone = new OscillatorNode(context, { frequency });
    const loudness = new GainNode(context, { gain: 0.15 });
    tone.connect(loudness).connect(context.destination);
    tone.start(context.currentTime + place * TONE_S);
    tone.stop(context.currentTime + (place + 1) * TONE_S);
    if (place === TONES_HZ.length - 1) tone.addEventListener("ended", () => context.close());
  });
}

sound.checked = wished();
sound.addEventListener("change", () => {
  ofPerson.set("sound", sound.checked ? "on" : "off");
  chime(); // so that one hears what one chose
});
