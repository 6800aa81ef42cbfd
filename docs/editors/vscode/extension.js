// Starts `tidegate lsp` and lets the editor speak with it.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = workspace.getConfiguration("tidegate").get("command");
  client = new LanguageClient(
    "tidegate",
    "Tidegate",
    { command, args: ["lsp"] },
    {
      documentSelector: [{ scheme: "file", language: "tidegate" }],
      synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.{tide,csv}") },
    },
  );
  return client.start();
};

exports.deactivate = () => client && client.stop();
