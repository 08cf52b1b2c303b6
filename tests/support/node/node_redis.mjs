// node-redis in RESP3 with its client-side cache: what was read is not asked for again, and a
// change by someone else is seen; beside it transactions, scripts, functions, subscriptions.
import { createClient, defineScript, BasicClientSideCache, WatchError } from 'redis';
import { assert, main, restart, until, url } from './rig.mjs';

const socket = { reconnectStrategy: () => 50 };

async function connect(options) {
    const client = createClient({ url, socket, ...options });
    client.on('error', () => {});
    return client.connect();
}

async function caching(other) {
    const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: 'LRU',
        recordStats: true });
    const client = await connect({ RESP: 3, clientSideCache: cache });
    const hits = () => cache.stats().hitCount;
    await other.set('a', '1');
    assert.equal(await client.get('a'), '1');
    let before = hits();
    for (let i = 0; i < 100; i++) assert.equal(await client.get('a'), '1');
    assert.equal(hits() - before, 100);
    await other.set('a', '2');
    await until(async () => await client.get('a') === '2', 'the change by another client');
    await other.hSet('h', 'f', 'v');
    assert.equal(await client.hGet('h', 'f'), 'v');
    await other.del('h');
    await until(async () => await client.hGet('h', 'f') === null, 'the deletion');
    await other.set('short', 'x', { PX: 200 });
    assert.equal(await client.get('short'), 'x');
    await until(async () => await client.get('short') === null, 'the expiry');
    // A change in a transaction, one in a script, and all keys at once.
    await other.set('t', '1');
    await other.set('u', '1');
    assert.deepEqual([await client.get('t'), await client.get('u')], ['1', '1']);
    await other.multi().set('t', '2').exec();
    await other.eval("return redis.call('SET', KEYS[1], '2')", { keys: ['u'] });
    await until(async () => await client.get('t') === '2', 'the transaction');
    await until(async () => await client.get('u') === '2', 'the script');
    await other.flushDb();
    await until(async () => await client.get('a') === null, 'FLUSHDB');
    return { client, cache };
}

async function transactions(client) {
    assert.deepEqual(await client.multi().set('m', '1').incr('m').get('m').exec(),
        ['OK', 2, '2']);
    const other = await connect({});
    await client.watch('m');
    await other.set('m', 'changed');
    await assert.rejects(client.multi().set('m', 'lost').exec(), WatchError);
    assert.equal(await client.get('m'), 'changed');
    other.destroy();
}

async function scripts() {
    const client = await connect({
        scripts: {
            add: defineScript({
                NUMBER_OF_KEYS: 1,
                SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
                parseCommand(parser, key, n) { parser.pushKey(key); parser.push(String(n)); },
                transformReply: undefined,
            }),
        },
    });
    assert.equal(await client.add('sum', 4), 4);
    await client.scriptFlush();
    assert.equal(await client.add('sum', 3), 7);
    const code = '#!lua name=lib\nredis.register_function{function_name="twice", ' +
        'callback=function(keys, args) return 2 * tonumber(args[1]) end, flags={"no-writes"}}';
    assert.equal(await client.functionLoad(code, { REPLACE: true }), 'lib');
    assert.equal(await client.fCallRo('twice', { arguments: ['21'] }), 42);
    client.destroy();
}

async function subscriptions(client) {
    const subscriber = await client.duplicate({ clientSideCache: undefined }).connect();
    const heard = [];
    await subscriber.subscribe('c', (text) => heard.push(text));
    await subscriber.pSubscribe('p*', (text, channel) => heard.push(`${channel}=${text}`));
    await subscriber.sSubscribe('s', (text) => heard.push(`shard ${text}`));
    await client.publish('c', '1');
    await client.publish('pq', '2');
    await client.sPublish('s', '3');
    await until(() => heard.length === 3, 'three messages');
    assert.deepEqual(heard, ['1', 'pq=2', 'shard 3']);
    subscriber.destroy();
}

await main(async () => {
    for (const RESP of [2, 3]) {
        const client = await connect({ RESP });
        await client.flushAll();
        await transactions(client);
        await scripts();
        await subscriptions(client);
        client.destroy();
    }
    const other = await connect({});
    const { client } = await caching(other);
    await other.set('a', 'before');
    await until(async () => await client.get('a') === 'before', 'the value');
    await restart();
    // What was cached under the lost connection does not outlive it.
    await until(async () => (await other.set('a', 'after').catch(() => null)) === 'OK', 'a set');
    await until(async () => (await client.get('a').catch(() => null)) === 'after', 'the cache');
});
