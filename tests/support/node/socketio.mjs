// The adapter of socket.io: two nodes that share nothing but the server exchange broadcasts, rooms,
// acknowledgements and news of each other; after a crash of the server they do so again.
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { createServer } from 'node:http';
import Redis from 'ioredis';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { assert, main, port, restart, until } from './rig.mjs';

const connect = () => {
    const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 50,
        maxRetriesPerRequest: null });
    redis.on('error', () => {});
    return redis;
};

async function node(make) {
    const publisher = connect();
    const subscriber = connect();
    const http = createServer();
    const server = new Server(http, { adapter: make(publisher, subscriber) });
    server.on('connection', (socket) => {
        socket.on('join', async (room, reply) => { await socket.join(room); reply(); });
    });
    http.listen(0, '127.0.0.1');
    await until(() => http.listening, 'a node');
    const client = io(`http://127.0.0.1:${http.address().port}`, { transports: ['websocket'] });
    const heard = [];
    client.on('news', (text) => heard.push(text));
    client.on('question', (n, reply) => reply(n + 1));
    await until(() => client.connected, 'a client');
    return { server, client, heard, publisher, subscriber };
}

async function exchange(a, b, tag) {
    a.heard.length = b.heard.length = 0;
    a.server.emit('news', `${tag} all`);
    await until(() => a.heard.length === 1 && b.heard.length === 1, 'a broadcast');
    await new Promise((resolve) => b.client.emit('join', 'room', resolve));
    await until(async () => (await a.server.in('room').fetchSockets()).length === 1, 'the room');
    a.server.to('room').emit('news', `${tag} room`);
    await until(() => b.heard.length === 2, 'a message to a room');
    assert.deepEqual(a.heard, [`${tag} all`]);
    assert.deepEqual(b.heard, [`${tag} all`, `${tag} room`]);
    assert.equal((await a.server.fetchSockets()).length, 2);
    assert.deepEqual((await a.server.timeout(10000).emitWithAck('question', 1)).sort(), [2, 2]);
    const told = new Promise((resolve) => b.server.once('told', resolve));
    a.server.serverSideEmit('told', tag);
    assert.equal(await told, tag);
}

await main(async () => {
    for (const make of [createAdapter, createShardedAdapter]) {
        const a = await node(make);
        const b = await node(make);
        // The adapters subscribe in the background.
        await until(async () => (await a.server.fetchSockets()
            .catch(() => [])).length === 2, 'the adapters');
        await exchange(a, b, 'before');
        if (make === createAdapter) {
            await restart();
            await until(async () => (await a.server.fetchSockets()
                .catch(() => [])).length === 2, 'the adapters again');
            await exchange(a, b, 'after');
        }
        for (const one of [a, b]) {
            one.client.close();
            await one.server.close();
            one.publisher.disconnect();
            one.subscriber.disconnect();
        }
    }
});
