// Run tests/core on a real MicroPython: every function test_*, on the agent's pure parts.
//
//     node tests/core/run_micropython.mjs [name of a test file, without .py]...
//
// A file that says CPYTHON_ONLY = "reason" at the start of a line is left out.  Prints a traceback for each
// failure, and at last the line "N passed, N failed".
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const port = join(root, "build/micropython/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs");
const heap = 64 * 1024 * 1024;  // bytes
const stack = 64 * 1024;        // words, of Python frames

// In MicroPython's file system the tree has the places that it has here.
const tests = "/tests/core";
const pure = ["/agent/composer/core", "/agent/composer/vswitch", "/agent/composer/compute"];

const runner = `
import sys
sys.path[:] = ["/agent", "${tests}"]
passed = failed = 0

def run(file):
    global passed
    try:
        module = __import__(file)
    except BaseException as error:
        return report(file, "import", error)
    for name in sorted(dir(module)):
        if name.startswith("test_"):
            try:
                getattr(module, name)()
                passed += 1
            except BaseException as error:
                report(file, name, error)

def report(file, name, error):
    global failed
    failed += 1
    print("FAILED %s.py::%s" % (file, name))
    sys.print_exception(error)
`;

function load(FS, path) {
    if (statSync(root + path).isFile()) {
        FS.writeFile(path, readFileSync(root + path));
        return;
    }
    FS.mkdirTree(path);
    for (const name of readdirSync(root + path)) {
        if (name !== "__pycache__") load(FS, path + "/" + name);
    }
}

if (!existsSync(port)) {
    console.error("MicroPython is not there: run `make setup`");
    process.exit(2);
}
const { loadMicroPython } = await import(pathToFileURL(port));
const python = await loadMicroPython({ heapsize: heap, pystack: stack, stdout: (line) => console.log(line) });
for (const path of pure.concat(tests)) load(python.FS, path);
load(python.FS, "/agent/composer/__init__.py");

const wanted = process.argv.slice(2);
python.runPython(runner);
for (const name of readdirSync(root + tests).sort()) {
    const file = name.replace(/\.py$/, "");
    if (!/^test_.*\.py$/.test(name) || (wanted.length && !wanted.includes(file))) continue;
    const reason = readFileSync(join(root + tests, name), "utf8").match(/^CPYTHON_ONLY = "(.*)"/m);
    if (reason) console.log(`left out ${name}: ${reason[1]}`);
    else python.runPython(`run("${file}")`);
}
const passed = python.globals.get("passed"), failed = python.globals.get("failed");
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
