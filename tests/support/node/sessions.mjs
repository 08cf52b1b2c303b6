// connect-redis: an Express application whose sessions outlive a crash of the server.
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { createClient } from 'redis';
import { assert, main, restart, until, url } from './rig.mjs';

await main(async () => {
    const client = createClient({ url, socket: { reconnectStrategy: () => 50 } });
    client.on('error', () => {});
    await client.connect();
    const store = new RedisStore({ client, prefix: 'session:', ttl: 600 });
    const application = express();
    application.use(session({ store, secret: 'not one', resave: false,
        saveUninitialized: false }));
    application.get('/visit', (request, response) => {
        request.session.visits = (request.session.visits ?? 0) + 1;
        response.json(request.session.visits);
    });
    application.get('/leave', (request, response, next) =>
        request.session.destroy((error) => error ? next(error) : response.json('gone')));
    const server = application.listen(0, '127.0.0.1');
    await until(() => server.listening, 'the application');
    const ask = async (path, cookie) => {
        const reply = await fetch(`http://127.0.0.1:${server.address().port}${path}`,
            { headers: cookie ? { cookie } : {} });
        assert.equal(reply.status, 200, await reply.clone().text());
        return { body: await reply.json(),
            cookie: reply.headers.get('set-cookie')?.split(';')[0] ?? cookie };
    };
    const visitors = await Promise.all(Array.from({ length: 20 }, () => ask('/visit')));
    assert.equal(new Set(visitors.map((one) => one.cookie)).size, 20);
    for (const { cookie } of visitors) assert.equal((await ask('/visit', cookie)).body, 2);
    const keys = await client.keys('session:*');
    assert.equal(keys.length, 20);
    const ttl = await client.ttl(keys[0]);
    assert(ttl > 500 && ttl <= 600, `${ttl}`);
    await restart();
    await until(() => client.isReady, 'the connection');
    for (const { cookie } of visitors) assert.equal((await ask('/visit', cookie)).body, 3);
    const all = () => new Promise((resolve, reject) =>
        store.all((error, found) => error ? reject(error) : resolve(found)));
    assert.deepEqual(new Set((await all()).map((one) => one.visits)), new Set([3]));
    assert.equal((await ask('/leave', visitors[0].cookie)).body, 'gone');
    assert.equal((await ask('/visit', visitors[0].cookie)).body, 1);
    await new Promise((resolve, reject) =>
        store.clear((error) => error ? reject(error) : resolve()));
    assert.equal(await client.dbSize(), 0);
});
