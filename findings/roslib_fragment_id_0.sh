#!/usr/bin/env bash
# roslib 2.1.0 (npm): a message that rosbridge sends in parts ("op": "fragment") is dropped without a word if the parts' id
# is the number 0; with the id 1, or "0", it arrives. rosbridge_library numbers them from 0 for each message of a topic
# (a new Fragmentation each time: 2.1.0, capabilities/fragmentation.py, protocol.py), so that nothing over its
# max_message_size (10 MB) reaches a roslib client: raw images of 2.5 megapixels, clouds of 0.3 million points.
# Guess before: parts are joined, as of roslib 2.0's change "fragment support for large messages sent by rosbridge".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent roslib@2.1.0 ws@8.23.0 >/dev/null
cat >trial.mjs <<'EOF'
import { Ros, Topic } from "roslib";
import { WebSocketServer } from "ws";
const server = new WebSocketServer({ port: 0 });
let send;
server.on("connection", (socket) => { send = (id) => {
  const text = JSON.stringify({ op: "publish", topic: "/chatter", msg: { data: `id ${JSON.stringify(id)}` } });
  const half = Math.ceil(text.length / 2);
  [text.slice(0, half), text.slice(half)].forEach((data, num) =>
    socket.send(JSON.stringify({ op: "fragment", id, data, num, total: 2.5 })));  // rosbridge's total is not a whole number
}; });
const ros = new Ros({ url: `ws://127.0.0.1:${server.address().port}` });
await new Promise((done) => ros.on("connection", done));
const got = [];
new Topic({ ros, name: "/chatter", messageType: "std_msgs/String" }).subscribe((message) => got.push(message.data));
await new Promise((done) => setTimeout(done, 300));
for (const id of [0, 1, "0"]) send(id);
await new Promise((done) => setTimeout(done, 500));
console.log(`roslib 2.1.0 received: ${got.join(", ")} (sent: id 0, id 1, id "0")`);
process.exit(JSON.stringify(got) === JSON.stringify(["id 1", 'id "0"']) ? 0 : 1);
EOF
node trial.mjs
