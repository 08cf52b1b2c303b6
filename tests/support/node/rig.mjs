// What every script here shares. A script is started with the server's port; it does its work,
// asserts, and ends with status 0. restart() asks the test that started it to kill the server and
// start it again on the same directory.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export { assert, sleep };
export const port = Number(process.argv[2]);
export const url = `redis://127.0.0.1:${port}`;

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export async function restart() {
    process.stdout.write('restart\n');
    const { value } = await answers.next();
    assert.equal(value, 'restarted');
}

// Poll until condition() is true; its value.
export async function until(condition, what, seconds = 60) {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
        const value = await condition();
        if (value) return value;
        assert(Date.now() < deadline, `waited in vain for ${what}`);
        await sleep(10);
    }
}

// Run the work; an error that it throws, or that nobody caught, is the script's end.
export async function main(work) {
    try {
        await work();
    } catch (error) {
        console.error(error);
        process.exit(1);
    }
    process.exit(0);
}
