import { find } from "./dom.js";
import { events } from "./live.js";

/** The banner that says that the site takes no changes: there from the start, or when it begins. */

const banner = find("#maintenance");

events.on("maintenance_*", ({ event_type: type, data }) => {
  banner.hidden = type === "maintenance_completed";
  find("[data-reason]", banner).textContent = data.reason ? `: ${data.reason}` : "";
});
