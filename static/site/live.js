import { connect } from "../realtime/index.js";
import { eitherWay } from "../realtime/legacy/either_way.js"; // LEGACY
import { me } from "./dom.js";

/** The page's share of the one connection. It goes on from the position that the page was read at. */

const read = document.querySelector("meta[name=dnsadmin-position]")?.getAttribute("content") || null;

export const { service, events } = connect({
  url: "/ws/",
  position: read,
  userId: me.id,
  through: eitherWay(/** @type {any} */ (document.querySelector("meta[name=dnsadmin-system]"))?.content), // LEGACY
});
