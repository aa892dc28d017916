import assert from "node:assert/strict";
import { test } from "node:test";

import { canInflate } from "../../static/realtime/frame_reader.js";
import { stage } from "./parts/stage.js";
import { until } from "./parts/waiting.js";

test("a service offers the protocol and its name, and is live when it is welcomed", async (t) => {
  const { peer, service } = await stage(t, { client: "web" });
  assert.equal(peer.handshakes[0].since, null);
  assert.deepEqual(peer.handshakes[0].protocols.slice(0, 2), ["dnsadmin.v1", "client.web"]);
  assert.equal(service.state.name, "live");
  assert.equal(service.state.user?.username, "alice");
});

test("compression is offered by those who can read it", async (t) => {
  const { peer } = await stage(t);
  assert.equal(peer.handshakes[0].protocols.includes("feature.deflate"), canInflate());
});

test("the states that lead to a connection are told in order", async (t) => {
  const { heard } = await stage(t);
  assert.deepEqual(heard.states, ["connecting", "live"]);
});

test("a token is fetched for each connection and travels as a subprotocol", async (t) => {
  let tokens = 0;
  const { peer, live } = await stage(t, { getToken: async () => `token-${++tokens}` });
  peer.cut();
  await live();
  assert.ok(peer.handshakes[0].protocols.includes("bearer.token-1"));
  assert.ok(peer.handshakes[1].protocols.includes("bearer.token-2"));
});

test("when there is no token to be had it is tried again", async (t) => {
  let calls = 0;
  const getToken = async () => {
    calls += 1;
    if (calls < 3) throw new Error("the identity provider is down");
    return "token";
  };
  const { service, heard, live } = await stage(t, { start: false, getToken });
  service.start();
  await until(() => service.state.name === "reconnecting");
  assert.match(service.state.message, /identity provider/);
  await live();
  assert.equal(calls, 3);
  assert.equal(heard.states.at(-1), "live");
});

test("a token that is about to expire is renewed on the open connection", async (t) => {
  let tokens = 0;
  const { peer, connection } = await stage(t, { getToken: async () => `token-${++tokens}` });
  peer.send({ type: "notice", code: "token_expiring", message: "soon" });
  const command = await until(() => connection().commands.find(({ type }) => type === "authenticate"));
  assert.equal(command.data.token, "token-2");
  assert.equal(peer.handshakes.length, 1);
});

test("a server that accepts and then says nothing is given up", async (t) => {
  const { peer, service, live } = await stage(t, { start: false });
  peer.silent = true;
  service.start();
  await until(() => service.state.name === "reconnecting");
  peer.silent = false;
  await live();
});

test("after close() the service is paused and stays away", async (t) => {
  const { peer, service, heard } = await stage(t);
  service.close();
  await until(() => peer.connections.length === 0);
  assert.equal(service.state.name, "paused");
  await assert.rejects(service.command("echo"), { code: "not_connected" });
  assert.equal(peer.handshakes.length, 1);
  assert.equal(heard.states.at(-1), "paused");
});
