/** Targets as people type them, one a line: `address[#port] [udp|tcp|dot] [name of the certificate]`. */

const TRANSPORTS = ["udp", "tcp", "dot"];

/** @param {string} text @returns {{address: string, port?: number, transport?: string, tls_name?: string}[]} */
export function parsed(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [where, ...words] = line.split(/\s+/);
    const [address, port] = where.split("#");
    const transport = words.find((word) => TRANSPORTS.includes(word.toLowerCase()))?.toLowerCase();
    const name = words.find((word) => !TRANSPORTS.includes(word.toLowerCase()));
    return { address, ...(port ? { port: Number(port) } : {}), ...(transport ? { transport } : {}), ...(name ? { tls_name: name } : {}) };
  });
}

/** @param {{address: string, port: number, transport: string, tls_name: string}[]} targets */
export function written(targets) {
  return targets.map(({ address, port, transport, tls_name: name }) => {
    const usual = transport === "dot" ? 853 : 53;
    return [port === usual ? address : `${address}#${port}`, transport === "udp" ? "" : transport, name].filter(Boolean).join(" ");
  }).join("\n");
}
