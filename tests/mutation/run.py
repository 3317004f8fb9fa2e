"""Runs mutants; tests/mutation/run.sh says how.

Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
"""
import argparse
import concurrent.futures
import ctypes
import filecmp
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import mutants

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SURVIVORS = os.path.join(ROOT, "tests", "mutation", "survivors.md")
LIBRARIES = ["-lmicrohttpd", "-lcjson", "-lcmocka", "-ljansson", "-lpthread", "-ldl", "-lm"]
MAX_MEMORY = 4 << 30
SECONDS = {"unit": 30, "system": 4}  # tests that take longer where nothing is changed are left out
OPTIMIZED = ["-O2", "-g0"]  # for telling whether it is another program at all
BENEATH = ("base", "checks", "probe")  # what these rooms have knows nothing of those that are changed
FAR_SECONDS = 3  # the same for unit tests of other rooms
PARALLEL = 4  # system tests at a time
FLAKY = 2  # what is not a unit test of the room has to fail so often


class Test:
    def __init__(self, kind, source, build):
        self.kind = kind
        self.source = source
        self.name = re.sub(r"_test\.c$", "", source)
        self.room = source.split("/")[1] if kind == "unit" else ""
        target = self.name.replace("/", "-")
        self.object = f"{build}/tests/CMakeFiles/{target}.dir/{source}.o"
        with open(f"{ROOT}/tests/{source}") as file:
            head = file.read(3000)
        self.wraps = [w for line in re.findall(r"/\* wrap: ([\w ]+) \*/", head) for w in line.split()]
        self.serial = "/* serial */" in head
        self.seconds = None


def sh(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)


class Runner:
    def __init__(self, out):
        self.out = out
        self.tree = f"{out}/tree"
        self.build = f"{out}/build"
        self.lock = threading.Lock()
        self.running = set()
        # The quickest there is.
        self.linker = ["-fuse-ld=gold"] if shutil.which("ld.gold") else []

    # ---- Building ----

    def prepare(self):
        """A copy of the tree, built."""
        listed = sh(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], check=True)
        names = {n for n in listed.stdout.decode().splitlines() if os.path.exists(f"{ROOT}/{n}")}
        for directory, _, files in os.walk(self.tree):
            for file in files:
                if os.path.relpath(f"{directory}/{file}", self.tree) not in names:
                    os.remove(f"{directory}/{file}")
        # What is as it was is not built again.
        for name in names:
            to = f"{self.tree}/{name}"
            if not os.path.exists(to) or not filecmp.cmp(f"{ROOT}/{name}", to, shallow=False):
                os.makedirs(os.path.dirname(to), exist_ok=True)
                shutil.copy(f"{ROOT}/{name}", to)
        configure = ["cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                     "-DCMAKE_C_FLAGS_DEBUG=-O1", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
                     "-DHEALTH_BUILD_EXAMPLES=OFF"]
        for command in (configure, ["cmake", "--build", self.build]):
            done = sh(command)
            if done.returncode != 0:
                sys.exit(done.stdout.decode())
        with open(f"{self.build}/compile_commands.json") as file:
            self.commands = {}
            for c in json.load(file):
                name = os.path.relpath(c["file"], self.tree)
                if "libhealth_objects" in c["command"]:
                    self.commands[name] = shlex.split(c["command"])
        self.archive = f"{self.build}/tests/libhealth_internal.a"

    def compile(self, source, text, more=()):
        """The object of the changed source; None if it is no C."""
        command = list(self.commands[source])
        path = f"{self.out}/mutant.c"
        with open(path, "w") as file:
            file.write(text)
        command[command.index("-c") + 1] = path
        command[command.index("-o") + 1] = f"{self.out}/mutant.o"
        command += ["-w", "-I" + os.path.dirname(f"{self.tree}/{source}"), *more]
        if sh(command, cwd=self.build).returncode != 0:
            return None
        with open(f"{self.out}/mutant.o", "rb") as file:
            return file.read()

    def link(self, test):
        """Links it with the changed object, which comes before that in the archive.  Returns: the
        program; None if the test has in its place what the changed source has."""
        program = f"{self.out}/run/{test.name.replace('/', '-')}"
        os.makedirs(os.path.dirname(program), exist_ok=True)
        command = ["gcc", *self.linker, "-o", program, test.object, f"{self.out}/mutant.o",
                   f"{self.build}/tests/libtesting.a", self.archive]
        command += [f"-Wl,--wrap={w}" for w in test.wraps] + LIBRARIES
        done = sh(command)
        if done.returncode != 0:
            said = done.stdout.decode()
            if "multiple definition" in said:
                return None
            sys.exit(f"{test.name}: {said}")
        return program

    # ---- Running ----

    def reap(self):
        """Ends what tests have left behind: whoever has lost its parent is our child, and of another
        session than what builds."""
        me, session = os.getpid(), os.getsid(0)
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat") as file:
                    _, parent, _, its_session = file.read().rsplit(")", 1)[1].split()[:4]
                if int(parent) == me and int(its_session) != session and int(entry) not in self.running:
                    os.kill(int(entry), signal.SIGKILL)
                    os.waitpid(int(entry), os.WNOHANG)
            except (OSError, ValueError):
                pass

    def run(self, test, program):
        """Returns: its exit status; None if it hung, and was killed."""

        def limits():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))

        environment = dict(os.environ, SOURCE_DIR=self.tree, BUILD_DIR=self.build, CC="gcc")
        limit = 10 + 5 * test.seconds if test.seconds is not None else SECONDS[test.kind] * 3
        with self.lock:
            process = subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True,
                                       preexec_fn=limits, env=environment, cwd=f"{self.out}/run")
            self.running.add(process.pid)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except OSError:
                pass
            process.wait()
            with self.lock:
                self.running.discard(process.pid)
                if not self.running:
                    self.reap()

    def fails(self, test, program, times):
        return all(self.run(test, program) not in (0, 77) for _ in range(times))

    def baseline(self, tests, again):
        """How long each takes, None if it fails, is skipped here or takes too long, and is of no use.
        Those that were measured the last time are not again."""
        path = f"{self.out}/seconds.json"
        seconds = {}
        if again and os.path.exists(path):
            with open(path) as file:
                seconds = json.load(file)

        def measure(test):
            begun = time.monotonic()
            result = self.run(test, self.link(test))
            took = time.monotonic() - begun
            seconds[test.name] = took if result == 0 and took < SECONDS[test.kind] else None
            if seconds[test.name] is None:
                print(f"left out: {test.name}: {result}, {took:.1f} s", flush=True)

        tests = [t for t in tests if t.kind == "unit" or not t.serial]
        for test in tests:
            if test.kind == "unit" and test.name not in seconds:
                measure(test)
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(measure, [t for t in tests if t.kind == "system" and t.name not in seconds]))
        with open(path, "w") as file:
            json.dump(seconds, file)
        for test in tests:
            test.seconds = seconds[test.name]
        return [t for t in tests if t.seconds is not None]

    def unit_killer(self, mutant, tests):
        """The unit test that notices; None: none does."""
        room, stem = mutant.file.split("/")[1], os.path.basename(mutant.file)[:-2]

        def nearness(test):
            name = test.name.rsplit("/", 1)[-1]
            return (test.kind != "unit", test.room != room, not name.startswith(stem), test.seconds)

        near = sorted((t for t in tests if t.kind == "unit" and (t.room == room or t.seconds < FAR_SECONDS)),
                      key=nearness)
        for test in near:
            program = self.link(test)
            if program is not None and self.fails(test, program, 1 if test.room == room else FLAKY):
                return test.name
        return None

    def system_killer(self, tests):
        """The same of system tests, which mostly wait."""
        far = [t for t in tests if t.kind == "system"]
        programs = [self.link(t) for t in far]
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            results = list(pool.map(self.run, far, programs))
        for test, program, result in zip(far, programs, results):
            if result not in (0, 77) and self.fails(test, program, FLAKY - 1):
                return test.name
        return None


def known_survivors():
    """By key: the reason, the heading that it stands under."""
    known, reason = {}, ""
    if not os.path.exists(SURVIVORS):
        return known
    with open(SURVIVORS) as file:
        for line in file:
            if line.startswith("## "):
                reason = line[3:].strip()
            key = mutants.read_entry(line.rstrip("\n"))
            if key is not None:
                known[key] = reason
            elif line.startswith("- "):
                sys.exit(f"{SURVIVORS}: not understood: {line}")
    return known


def stale(known):
    """Those that are no change of any source as it is: their lines have gone, or were changed."""
    there = set()
    for file in {key[0] for key in known}:
        if os.path.exists(f"{ROOT}/{file}"):
            with open(f"{ROOT}/{file}") as source:
                there |= {m.key() for m in mutants.mutants(file, source.read())}
    return [key for key in known if key not in there]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", default="1")
    parser.add_argument("--out", default=f"{ROOT}/build/mutation")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("rooms", nargs="*", default=["core=110", "render=80", "engine=120"])
    options = parser.parse_args()

    # Before the hour.
    known = known_survivors()
    gone = stale(known)
    for key in gone:
        print("== tests/mutation/survivors.md: there is no such line any more, or no such change of it:")
        print(mutants.entry(key))
    if gone or options.check:
        return 1 if gone else 0

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # What tests start and leave becomes ours, and can be ended.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    os.makedirs(options.out, exist_ok=True)
    runner = Runner(os.path.abspath(options.out))
    runner.prepare()
    # Tests are linked with one changed object; this one is as it was.
    runner.compile("src/core/state.c", open(f"{runner.tree}/src/core/state.c").read())
    tests = []
    for kind in ("unit", "system"):
        for directory, _, names in sorted(os.walk(f"{ROOT}/tests/{kind}")):
            for name in sorted(names):
                source = os.path.relpath(f"{directory}/{name}", f"{ROOT}/tests")
                # Those that look for another library, or freeze what could then not be ended, are none.
                if name.endswith("_test.c") and not any(
                        word in open(f"{ROOT}/tests/{source}").read() for word in ("libhealth.so", "freezer")):
                    tests.append(Test(kind, source, runner.build))
    tests = runner.baseline([t for t in tests if t.room not in BENEATH], options.again)

    results_file = f"{options.out}/results.json"
    results = json.load(open(results_file)) if options.again and os.path.exists(results_file) else {}
    status = 0

    def tell(mutant, by):
        print(f"{mutant.file}:{mutant.line}: {mutant.kind}: {mutant.before} -> {mutant.after}: {by or 'SURVIVES'}",
              flush=True)
        results[mutants.entry(mutant.key())] = by
        with open(results_file, "w") as file:
            json.dump(results, file, indent=0)

    for asked in options.rooms:
        room, count = asked.split("=")
        candidates, originals = [], {}
        for source in sorted(s for s in runner.commands if s.startswith(f"src/{room}/")):
            with open(f"{runner.tree}/{source}") as file:
                text = file.read()
            candidates += mutants.mutants(source, text)
            originals[source] = runner.compile(source, text, OPTIMIZED)
        unique = {m.key(): m for m in reversed(candidates)}
        candidates = sorted(unique.values(), key=lambda m: m.order(options.seed))
        killed, survived, equivalent = 0, [], 0
        for mutant in candidates:
            if killed + len(survived) == int(count):
                break
            name = mutants.entry(mutant.key())
            by = results.get(name)
            # Those that are known are not asked again.
            if by is None and not (name in results and mutant.key() in known):
                changed = runner.compile(mutant.file, mutant.text, OPTIMIZED)
                if changed is None:
                    by = "compiler"
                elif changed == originals[mutant.file]:
                    by = "optimizer"
                else:
                    runner.compile(mutant.file, mutant.text)
                    by = runner.unit_killer(mutant, tests)
                tell(mutant, by)
            if by == "optimizer":
                equivalent += 1
            elif by is None:
                survived.append(mutant)
            elif by != "compiler":
                killed += 1
        for mutant in [m for m in survived if m.key() not in known]:
            runner.compile(mutant.file, mutant.text)
            by = runner.system_killer(tests)
            tell(mutant, by)
            if by is not None:
                survived.remove(mutant)
                killed += 1
        # What is the same for a reason that a reader sees is no change either.
        same = [m for m in survived if known.get(m.key(), "").startswith("The same:")]
        total, asked = killed + len(survived) - len(same), killed + len(survived)
        print(f"== {room}: {killed} of {asked} are noticed ({100 * killed / asked:.1f} %), {killed} of {total} that "
              f"change anything ({100 * killed / total:.1f} %); the optimizer takes {equivalent} more for the same")
        for mutant in survived:
            reason = known.get(mutant.key())
            if reason is None:
                status = 1
            print(mutants.entry(mutant.key()))
            print(f"  {reason or 'NOT EXPLAINED in tests/mutation/survivors.md'}")
        if killed < 0.9 * total:
            print(f"== {room}: fewer than 90 % are noticed")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
