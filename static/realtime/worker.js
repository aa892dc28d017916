import { Owner } from "./owner.js";

/** The SharedWorker that owns the one socket of all tabs. A port speaks for one tab at a time. */

const owner = new Owner();

globalThis.addEventListener("connect", (event) => {
  const [port] = /** @type {MessageEvent} */ (event).ports;
  port.onmessage = ({ data: { tab, message } }) => owner.receive(tab, message, (answer) => port.postMessage(answer));
});
