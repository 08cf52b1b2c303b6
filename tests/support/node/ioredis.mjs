// ioredis: pipelines, transactions, scripts, streams, blocking calls, subscriptions, MONITOR; and
// its offline queue and resubscription over a restart of the server.
import Redis from 'ioredis';
import { assert, main, port, restart, until } from './rig.mjs';

async function values(redis) {
    const pipeline = redis.pipeline();
    for (let i = 0; i < 1000; i++) pipeline.set(`key:${i}`, i);
    assert((await pipeline.exec()).every(([error, reply]) => !error && reply === 'OK'));
    const keys = new Set();
    for await (const page of redis.scanStream({ match: 'key:*', count: 50 })) {
        for (const key of page) keys.add(key);
    }
    assert.equal(keys.size, 1000);
    assert.deepEqual(await redis.multi().hset('h', { a: 1, b: 2 }).hgetall('h').exec(),
        [[null, 2], [null, { a: '1', b: '2' }]]);
    const bytes = Buffer.from([0, 13, 10, 255]);
    await redis.set('bytes', bytes);
    assert((await redis.getBuffer('bytes')).equals(bytes));
    await assert.rejects(redis.hget('bytes', 'field'), /^ReplyError: WRONGTYPE/);
}

async function scripts(redis) {
    redis.defineCommand('raise', {
        numberOfKeys: 1,
        lua: "local n = redis.call('INCRBY', KEYS[1], ARGV[1]) return {n, ARGV[1]}",
    });
    assert.deepEqual(await redis.raise('n', 5), [5, '5']);
    await redis.script('FLUSH');
    assert.deepEqual(await redis.raise('n', 2), [7, '2']);
    assert.deepEqual(await redis.pipeline().raise('n', 1).get('n').exec(),
        [[null, [8, '1']], [null, '8']]);
}

async function streams(redis) {
    await redis.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM');
    const reader = redis.duplicate();
    const waiting = reader.xreadgroup('GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS', 's', '>');
    const id = await redis.xadd('s', '*', 'field', 'value');
    assert.deepEqual(await waiting, [['s', [[id, ['field', 'value']]]]]);
    assert.equal(await redis.xack('s', 'g', id), 1);
    reader.disconnect();
}

async function watching(redis) {
    const monitor = await redis.duplicate().monitor();
    const seen = [];
    monitor.on('monitor', (time, words) => seen.push(words.join(' ')));
    await redis.set('watched', 'yes');
    await until(() => seen.some((line) => /^set watched yes$/i.test(line)), 'MONITOR');
    monitor.disconnect();
}

async function automatic() {
    const redis = new Redis(port, { enableAutoPipelining: true });
    const numbers = await Promise.all(Array.from({ length: 200 }, () => redis.incr('auto')));
    assert.deepEqual(numbers, Array.from({ length: 200 }, (_, i) => i + 1));
    redis.disconnect();
}

async function overRestart(redis) {
    const subscriber = redis.duplicate();
    const heard = [];
    await subscriber.subscribe('news');
    await subscriber.psubscribe('n?ws');
    subscriber.on('message', (channel, text) => heard.push(text));
    subscriber.on('pmessage', (pattern, channel, text) => heard.push(`${pattern} ${text}`));
    await redis.publish('news', 'one');
    await until(() => heard.length === 2, 'the message');
    const blocked = redis.duplicate();
    const popped = blocked.blpop('queue', 0);
    await redis.set('kept', 'yes');
    await restart();
    // Sent before the connection is back, or after: the client's queue decides.
    assert.equal(await redis.get('kept'), 'yes');
    assert.equal(await redis.dbsize() > 1000, true);
    await until(async () => await redis.pubsub('NUMPAT') === 1 &&
        (await redis.pubsub('NUMSUB', 'news'))[1] === 1, 'the subscriptions');
    assert.equal(await redis.publish('news', 'two'), 2);
    await until(() => heard.length === 4, 'the message after the restart');
    await redis.rpush('queue', 'job');
    assert.deepEqual(await popped, ['queue', 'job']);
    assert.deepEqual(heard.slice(0, 2).sort(), ['n?ws one', 'one']);
    assert.deepEqual(heard.slice(2).sort(), ['n?ws two', 'two']);
}

await main(async () => {
    const options = { retryStrategy: () => 50, maxRetriesPerRequest: null };
    const redis = new Redis(port, '127.0.0.1', options);
    redis.on('error', () => {});
    await values(redis);
    await scripts(redis);
    await streams(redis);
    await watching(redis);
    await automatic();
    await overRestart(redis);
});
