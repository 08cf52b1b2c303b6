// redlock: whoever holds the lock is alone; it is extended, released, refused and taken over after
// its time; and it outlives a crash of the server.
import Redis from 'ioredis';
import Redlock from 'redlock';
import { assert, main, port, restart, sleep } from './rig.mjs';

await main(async () => {
    const options = { retryStrategy: () => 50, maxRetriesPerRequest: null };
    const redis = new Redis(port, '127.0.0.1', options);
    redis.on('error', () => {});
    const patient = new Redlock([redis], { retryCount: 1000, retryDelay: 5, retryJitter: 5 });
    const hasty = new Redlock([redis], { retryCount: 0 });
    patient.on('clientError', () => {});
    hasty.on('clientError', () => {});
    // A counter that is read, held for a while and written back loses nothing.
    let inside = 0;
    await redis.set('n', 0);
    await Promise.all(Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 10; i++) {
            const lock = await patient.lock('lock', 5000);
            assert.equal(++inside, 1);
            const n = Number(await redis.get('n'));
            await sleep(1);
            await redis.set('n', n + 1);
            inside--;
            await lock.unlock();
        }
    }));
    assert.equal(await redis.get('n'), '80');
    // Refused while held; extended; several names are one lock.
    let lock = await hasty.lock(['a', 'b'], 300);
    await assert.rejects(hasty.lock('b', 100), Redlock.LockError);
    lock = await lock.extend(10000);
    assert(await redis.pttl('a') > 5000);
    await lock.unlock();
    assert.equal(await redis.exists('a', 'b'), 0);
    // Taken over when its time is up; then it is not the first one's any more.
    const first = await hasty.lock('short', 50);
    const second = await patient.lock('short', 5000);
    await assert.rejects(first.unlock(), Redlock.LockError);
    await second.unlock();
    // A lock that was given is still held after a crash.
    const held = await hasty.lock('held', 20000);
    await restart();
    await assert.rejects(hasty.lock('held', 100), Redlock.LockError);
    await held.unlock();
    await (await hasty.lock('held', 100)).unlock();
});
