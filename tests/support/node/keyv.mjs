// Keyv on Redis: values of every kind, lifetimes, namespaces, iteration, and all of it still there
// after a crash of the server.
import Keyv from 'keyv';
import KeyvRedis from '@keyv/redis';
import { assert, main, restart, until, url } from './rig.mjs';

await main(async () => {
    const open = (namespace) => {
        const keyv = new Keyv({ store: new KeyvRedis({ url,
            socket: { reconnectStrategy: () => 50 } }), namespace, useKeyPrefix: false });
        keyv.on('error', () => {});
        return keyv;
    };
    const users = open('users');
    const pages = open('pages');
    const value = { name: 'Ada', tags: ['x', 'ö'], nested: { n: 1.5, none: null } };
    assert.equal(await users.set('ada', value), true);
    assert.deepEqual(await users.get('ada'), value);
    assert.equal(await pages.get('ada'), undefined);
    await users.set('brief', 1, 100);
    assert.equal(await users.has('brief'), true);
    await until(async () => await users.get('brief') === undefined, 'the end of a lifetime');
    await Promise.all(Array.from({ length: 200 }, (_, i) => pages.set(`p${i}`, i)));
    assert.deepEqual(await pages.get(['p1', 'p199', 'p200']), [1, 199, undefined]);
    const seen = new Set();
    for await (const [key] of pages.iterator()) seen.add(key);
    assert.equal(seen.size, 200);
    assert.equal(await pages.delete('p1'), true);
    assert.equal(await pages.delete('p1'), false);
    await restart();
    await until(async () => (await users.get('ada').catch(() => null))?.name === 'Ada',
        'the value from before');
    assert.deepEqual(await users.get('ada'), value);
    assert.equal(await pages.get('p2'), 2);
    await pages.clear();
    assert.equal(await pages.get('p2'), undefined);
    assert.deepEqual(await users.get('ada'), value);
});
