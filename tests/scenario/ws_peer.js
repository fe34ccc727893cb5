// The `ws` package of npm as a peer; its tests start it. Every event is a line of JSON on standard output.
'use strict';
const {WebSocket, WebSocketServer} = require('ws');

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');

function follow(socket) {
    socket.on('message', (data, isBinary) => {
        tell({event: 'message', isBinary, size: data.length, start: data.subarray(0, 20).toString('latin1')});
        if (role === 'server')
            socket.send(data, {binary: isBinary});
    });
    socket.on('pong', (data) => tell({event: 'pong', data: data.toString()}));
    socket.on('close', (code, reason) => tell({event: 'close', code, reason: reason.toString()}));
    socket.on('error', (error) => tell({event: 'error', message: error.message}));
}

const [role, url, options] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4] || '{}')];
let peer;
if (role === 'server') {
    const server = new WebSocketServer({host: '127.0.0.1', port: 0, perMessageDeflate: options.compression === true},
                                       () => tell({event: 'listening', port: server.address().port}));
    server.on('connection', (socket, request) => {
        peer = socket;
        tell({event: 'open', path: request.url, extensions: socket.extensions, protocol: socket.protocol});
        follow(socket);
    });
} else {
    peer = new WebSocket(url, options.protocols || [], {perMessageDeflate: options.compression === true});
    peer.on('open', () => tell({event: 'open', extensions: peer.extensions, protocol: peer.protocol}));
    follow(peer);
}

// Orders, a line of JSON each: {send: TEXT, times: N}, {binary: HEX}, {ping: TEXT}, {close: CODE, reason: TEXT}.
require('readline').createInterface({input: process.stdin}).on('line', (line) => {
    const order = JSON.parse(line);
    if ('send' in order)
        peer.send(order.send.repeat(order.times || 1));
    else if ('binary' in order)
        peer.send(Buffer.from(order.binary, 'hex'));
    else if ('ping' in order)
        peer.ping(order.ping);
    else
        peer.close(order.close, order.reason);
}).on('close', () => process.exit(0));
