// rate-limiter-flexible: exactly as many are let through as there are points, whoever asks how
// often at once; blocks, penalties, rewards; and the count goes on after a crash of the server.
import Redis from 'ioredis';
import { RateLimiterQueue, RateLimiterRedis, BurstyRateLimiter } from 'rate-limiter-flexible';
import { assert, main, port, restart, sleep } from './rig.mjs';

await main(async () => {
    const options = { retryStrategy: () => 50, maxRetriesPerRequest: null };
    const storeClient = new Redis(port, '127.0.0.1', options);
    storeClient.on('error', () => {});
    const limiter = (more) => new RateLimiterRedis({ storeClient, points: 10, duration: 60,
        ...more });
    const let_through = async (rate, key, times) => {
        const asked = await Promise.allSettled(Array.from({ length: times },
            () => rate.consume(key)));
        return asked.filter((one) => one.status === 'fulfilled').length;
    };
    const plain = limiter({ keyPrefix: 'plain' });
    assert.equal(await let_through(plain, 'user', 50), 10);
    const state = await plain.get('user');
    assert.equal(state.remainingPoints, 0);
    assert.equal(state.consumedPoints, 50);
    assert(state.msBeforeNext > 50000 && state.msBeforeNext <= 60000);
    assert.equal((await plain.reward('user', 45)).consumedPoints, 5);
    assert.equal((await plain.penalty('user', 2)).consumedPoints, 7);
    assert.equal(await let_through(plain, 'user', 50), 3);
    assert.equal(await plain.delete('user'), true);
    assert.equal(await plain.get('user'), null);
    // A window that ends.
    const brief = limiter({ keyPrefix: 'brief', points: 2, duration: 1 });
    assert.equal(await let_through(brief, 'user', 5), 2);
    await sleep(1100);
    assert.equal(await let_through(brief, 'user', 5), 2);
    // Who asks too often is blocked for longer.
    const blocking = limiter({ keyPrefix: 'blocking', points: 1, blockDuration: 300 });
    assert.equal(await let_through(blocking, 'user', 3), 1);
    assert((await blocking.get('user')).msBeforeNext > 100000);
    const bursty = new BurstyRateLimiter(limiter({ keyPrefix: 'slow', points: 2 }),
        limiter({ keyPrefix: 'burst', points: 3 }));
    assert.equal(await let_through(bursty, 'user', 9), 5);
    const queue = new RateLimiterQueue(limiter({ keyPrefix: 'queue', points: 2, duration: 1 }));
    const started = Date.now();
    await Promise.all([1, 2, 3].map(() => queue.removeTokens(1)));
    assert(Date.now() - started >= 500);
    // What was counted is counted still.
    const lasting = limiter({ keyPrefix: 'lasting' });
    assert.equal(await let_through(lasting, 'user', 6), 6);
    await restart();
    assert.equal(await let_through(lasting, 'user', 20), 4);
});
