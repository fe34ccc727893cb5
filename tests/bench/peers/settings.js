// Node-RED without its editor: what is measured is a flow.
module.exports = {
  uiHost: "127.0.0.1", uiPort: Number(process.env.BENCH_PORT), httpAdminRoot: false, disableEditor: true,
  flowFile: "flows.json", logging: { console: { level: "error" } }, telemetry: { enabled: false },
};
