// BullMQ: jobs at once, delayed, by priority, repeated, failing and tried again, no more than so many
// a time, parents that wait for children; the server is killed in mid-work and every job that was added is done.
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { assert, main, port, restart, sleep, until } from './rig.mjs';

const connection = { host: '127.0.0.1', port, retryStrategy: () => 50,
    maxRetriesPerRequest: null };
const done = new Map();
const order = [];
const count = (name) => done.get(name) ?? 0;

async function work(job) {
    if (job.name === 'flaky' && job.attemptsMade < 2) throw new Error('not yet');
    if (job.name === 'hopeless') throw new Error('never');
    if (job.name === 'parent') {
        const values = Object.values(await job.getChildrenValues());
        return values.reduce((a, b) => a + b, 0);
    }
    if (job.name === 'slow') await sleep(5);
    if (job.name === 'ranked') order.push(job.data.n);
    await job.updateProgress(50);
    await job.log('half way');
    done.set(job.name, count(job.name) + 1);
    return job.data.n ?? 0;
}

await main(async () => {
    const queue = new Queue('work', { connection });
    const events = new QueueEvents('work', { connection });
    const worker = new Worker('work', work, { connection, concurrency: 4, autorun: false,
        lockDuration: 2000, stalledInterval: 1000, maxStalledCount: 10 });
    for (const part of [queue, events, worker]) part.on('error', () => {});
    await events.waitUntilReady();
    // Priorities, before anyone works; one at a time.
    await queue.addBulk([3, 1, 2].map((n) => ({ name: 'ranked', data: { n },
        opts: { priority: n } })));
    worker.concurrency = 1;
    worker.run().catch(() => {});
    await until(() => order.length === 3, 'the ranked jobs');
    assert.deepEqual(order, [1, 2, 3]);
    worker.concurrency = 4;
    // At once, with a result by an event.
    const quick = await queue.add('quick', { n: 7 });
    assert.equal(await quick.waitUntilFinished(events, 30000), 7);
    assert.equal((await queue.getJobLogs(quick.id)).logs[0], 'half way');
    // Failing, then tried again; and failing for good.
    const flaky = await queue.add('flaky', { n: 1 }, { attempts: 3,
        backoff: { type: 'exponential', delay: 20 } });
    assert.equal(await flaky.waitUntilFinished(events, 30000), 1);
    const hopeless = await queue.add('hopeless', {}, { attempts: 2 });
    await assert.rejects(hopeless.waitUntilFinished(events, 30000), /never/);
    assert.equal((await queue.getFailed()).length, 1);
    // Delayed.
    const added = Date.now();
    const delayed = await queue.add('delayed', { n: 2 }, { delay: 300 });
    assert.equal(await delayed.waitUntilFinished(events, 30000), 2);
    assert(Date.now() - added >= 300);
    // Repeated, until it is taken away.
    await queue.upsertJobScheduler('ticks', { every: 100 }, { name: 'tick' });
    await until(() => count('tick') >= 3, 'three ticks');
    // A parent with its children.
    const flows = new FlowProducer({ connection });
    flows.on('error', () => {});
    const flow = await flows.add({ name: 'parent', queueName: 'work',
        children: [1, 2, 3].map((n) => ({ name: 'child', data: { n }, queueName: 'work' })) });
    assert.equal(await flow.job.waitUntilFinished(events, 30000), 6);
    // No more than four in 200 ms: a dozen takes two such times and a bit.
    const limited = new Queue('limited', { connection });
    limited.on('error', () => {});
    const finished = [];
    const slowly = new Worker('limited', async () => { finished.push(Date.now()); },
        { connection, concurrency: 12, limiter: { max: 4, duration: 200 } });
    slowly.on('error', () => {});
    await limited.addBulk(Array.from({ length: 12 }, (_, n) => ({ name: 'one', data: { n } })));
    await until(() => finished.length === 12, 'a dozen jobs at their rate');
    assert(finished[11] - finished[0] >= 350, `${finished[11] - finished[0]} ms`);
    await slowly.close();
    await limited.close();
    // In mid-work: the server goes, and comes back.
    const jobs = await queue.addBulk(Array.from({ length: 300 }, (_, n) =>
        ({ name: 'slow', data: { n } })));
    const later = await queue.add('later', { n: 1 }, { delay: 1500 });
    await until(() => count('slow') >= 20, 'some slow jobs');
    await restart();
    const ids = [...jobs, later].map((job) => job.id);
    await until(async () => {
        const states = await Promise.all(ids.map((id) => queue.getJobState(id)));
        return states.every((state) => state === 'completed');
    }, 'every job that was added');
    assert(count('slow') >= 300);
    const ticks = count('tick');
    await until(() => count('tick') > ticks, 'a tick after the restart');
    assert.equal(await queue.removeJobScheduler('ticks'), true);
    const counts = await queue.getJobCounts();
    assert.equal(counts.failed, 1);
    await queue.pause();
    assert.equal(await queue.isPaused(), true);
    await queue.obliterate({ force: true });
});
