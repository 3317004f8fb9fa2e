// What manifests.sh looks at: the manifests of examples/kubernetes/ by Kubernetes' own schemas, and the
// numbers of all examples, which have to go together.  Run where the packages are, with the repository's
// path.  Every rule is seen to fail, too: on copies with an error in them.
//
// Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
"use strict";
const fs = require("fs");
const path = require("path");
const ts = require("typescript");
const yaml = require("yaml");

const root = process.argv[2];
const names = ["kubernetes/deployment.yaml", "kubernetes/service.yaml", "kubernetes/poddisruptionbudget.yaml",
    "compose.yaml", "swarm.yaml", "distroless/Dockerfile", "distroless/Dockerfile.scratch"];
const groups = {Deployment: "apps/v1", Service: "v1", PodDisruptionBudget: "policy/v1"};

// How long the service takes to end once it has drained: 200 ms until its workers see it, and at most
// 1,000 for health_stop(); see examples/service.c.
const finishMs = 2000;

// The library's numbers, from its headers.
function number(header, pattern) {
    const found = pattern.exec(fs.readFileSync(path.join(root, "include/health", header), "utf8"));
    if (!found)
        throw new Error(`${header}: no ${pattern}`);
    return Number(found[1].replace(",", ""));
}
const responseMs = number("health.h", /longest that a request may wait for checks, in ms; default ([0-9,]+)/);
const probeMs = number("probe.h", /`timeout_ms` is for everything together; 0 is ([0-9,]+)/);

function seconds(text) {
    const found = /^([0-9]+)(s|m)$/.exec(text);
    if (!found)
        throw new Error(`${text}: no duration`);
    return Number(found[1]) * (found[2] === "m" ? 60 : 1);
}

function option(words, name) {
    return words[words.indexOf(name) + 1];
}

// The last of each instruction, and the options of HEALTHCHECK, as Docker understands them.
function readDockerfile(text) {
    const lines = text.replace(/^#.*\n/gm, "").replace(/\\\n/g, " ").split("\n");
    const last = {};
    for (const line of lines) {
        const found = /^([A-Z]+) +(.*)$/.exec(line);
        if (found)
            last[found[1]] = found[2];
    }
    const check = /^(.*) CMD (\[.*\])$/.exec(last.HEALTHCHECK);
    const options = {};
    for (const found of check[1].matchAll(/--([a-z-]+)=([^ ]+)/g))
        options[found[1].replace("-", "_")] = found[2];
    return {
        user: last.USER,
        chown: /--chown=([0-9]+):/.exec(text)[1],
        command: JSON.parse(last.CMD),
        entrypoint: JSON.parse(last.ENTRYPOINT),
        healthcheck: {...options, test: ["CMD", ...JSON.parse(check[2])]},
    };
}

function read(texts) {
    const files = {};
    for (const name of names) {
        if (name.includes("Dockerfile")) {
            files[name] = readDockerfile(texts[name]);
            continue;
        }
        const document = yaml.parseDocument(texts[name], {merge: true, strict: true, uniqueKeys: true});
        if (document.errors.length > 0)
            throw document.errors[0];
        files[name] = document.toJS();
    }
    return files;
}

// ---- Rules ----------------------------------------------------------------------------------

function rules(files, complain) {
    const is = (what, value, wanted) => {
        if (JSON.stringify(value) !== JSON.stringify(wanted))
            complain(`${what} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}`);
    };
    const least = (what, value, limit) => {
        if (!(value >= limit))
            complain(`${what} is ${value}, less than ${limit}`);
    };

    const deployment = files["kubernetes/deployment.yaml"];
    const service = files["kubernetes/service.yaml"];
    const budget = files["kubernetes/poddisruptionbudget.yaml"];
    const pod = deployment.spec.template.spec;
    const container = pod.containers[0];
    const {startupProbe: startup, livenessProbe: liveness, readinessProbe: readiness} = container;
    const drainMs = Number(option(container.args, "--drain-ms"));
    const preStopMs = container.lifecycle.preStop.sleep.seconds * 1000;
    const port = (name) => (container.ports.find((p) => p.name === name) || {}).containerPort;

    is("containers", pod.containers.length, 1);
    for (const [what, probe, where] of [["startup", startup, "/startup"], ["liveness", liveness, "/live"],
        ["readiness", readiness, "/ready"]]) {
        is(`${what}: path`, probe.httpGet.path, where);
        is(`${what}: port`, String(port(probe.httpGet.port)), option(container.args, "--health-port"));
        is(`${what}: timeout`, probe.timeoutSeconds * 1000, probeMs);
        least(`${what}: timeout`, probe.timeoutSeconds * 1000, responseMs + 200);
        least(`${what}: period`, probe.periodSeconds, probe.timeoutSeconds);
    }
    is("service port", String(port(service.spec.ports[0].targetPort)), option(container.args, "--port"));
    is("ports of the Service", service.spec.ports.length, 1);
    least("drain", drainMs, readiness.periodSeconds * readiness.failureThreshold * 1000);
    least("grace", pod.terminationGracePeriodSeconds * 1000, preStopMs + drainMs + finishMs);
    least("liveness: patience", liveness.periodSeconds * liveness.failureThreshold,
        readiness.periodSeconds * readiness.failureThreshold);

    // Who belongs to whom.
    const labels = deployment.spec.template.metadata.labels;
    is("labels", deployment.spec.selector.matchLabels, labels);
    is("selector of the Service", service.spec.selector, labels);
    is("selector of the budget", budget.spec.selector.matchLabels, labels);
    least("replicas", deployment.spec.replicas, budget.spec.maxUnavailable + 1);

    // "restricted" of the Pod Security Standards, and a file system that cannot be written.
    is("runAsNonRoot", pod.securityContext.runAsNonRoot, true);
    is("seccompProfile", pod.securityContext.seccompProfile, {type: "RuntimeDefault"});
    is("allowPrivilegeEscalation", container.securityContext.allowPrivilegeEscalation, false);
    is("capabilities", container.securityContext.capabilities, {drop: ["ALL"]});
    is("readOnlyRootFilesystem", container.securityContext.readOnlyRootFilesystem, true);
    for (const key of ["hostNetwork", "hostPID", "hostIPC"])
        is(key, pod[key], undefined);
    const data = container.volumeMounts.find((m) => m.mountPath === option(container.args, "--data")) || {};
    const volume = pod.volumes.find((v) => v.name === data.name) || {};
    is("volume for --data", Object.keys(volume.emptyDir || {}), ["sizeLimit"]);

    // The same service everywhere.
    const places = [];
    for (const name of names) {
        const file = files[name];
        if (name.includes("Dockerfile"))
            places.push({name, ...file, where: "/live", like: liveness});
        else if (file.services)
            for (const [key, value] of Object.entries(file.services))
                places.push({name: `${name}: ${key}`, ...value, ...(name === "swarm.yaml" ?
                    {where: "/live", like: liveness} : {where: "/ready", like: readiness})});
    }
    is("places", places.length, 5);
    for (const place of places) {
        const {name, healthcheck: check, like} = place;
        is(`${name}: test`, check.test, ["CMD", "/service", "--health-probe",
            `http://localhost:${port("health")}${place.where}`]);
        is(`${name}: interval`, seconds(check.interval), like.periodSeconds);
        is(`${name}: retries`, Number(check.retries), like.failureThreshold);
        is(`${name}: start_period`, seconds(check.start_period),
            startup.periodSeconds * startup.failureThreshold);
        least(`${name}: timeout`, seconds(check.timeout) * 1000, probeMs + 1000);
        is(`${name}: --drain-ms`, Number(option(place.command, "--drain-ms")), drainMs);
        is(`${name}: --data`, option(place.command, "--data"), option(container.args, "--data"));
        if (place.image !== undefined) {
            is(`${name}: image`, place.image, `\${IMAGE:-${container.image}}`);
            least(`${name}: grace`, seconds(place.stop_grace_period) * 1000, drainMs + finishMs);
            is(`${name}: stop_grace_period, without preStop`, seconds(place.stop_grace_period) * 1000,
                pod.terminationGracePeriodSeconds * 1000 - preStopMs);
            is(`${name}: read_only`, place.read_only, true);
            is(`${name}: cap_drop`, place.cap_drop, ["ALL"]);
        } else {
            is(`${name}: entrypoint`, place.entrypoint, ["/service"]);
            is(`${name}: owner of the data`, Number(place.chown), pod.securityContext.runAsUser);
            if (!["nonroot", `${pod.securityContext.runAsUser}:${pod.securityContext.runAsGroup}`]
                .includes(place.user))
                complain(`${name}: USER is ${place.user}`);
        }
    }
    is("compose: waits", files["compose.yaml"].services.service.depends_on,
        {upstream: {condition: "service_healthy"}});
    is("compose: upstream", option(files["compose.yaml"].services.service.command, "--upstream"),
        `upstream:${port("service")}`);
}

// ---- Schemas --------------------------------------------------------------------------------

function validate(manifest, complain) {
    const group = groups[manifest.kind];
    if (group !== manifest.apiVersion)
        return complain(`${manifest.kind} of ${manifest.apiVersion}`);
    const Model = require(`kubernetes-models/${group}/${manifest.kind}`)[manifest.kind];
    try {
        new Model(manifest).validate();
    } catch (error) {
        complain(error.message);
    }
}

// The schemas let unknown fields pass, as an API server does; the types do not.
function typed(manifest) {
    const type = `I${manifest.kind}`;
    return `import {${type}} from "kubernetes-models/${groups[manifest.kind]}/${manifest.kind}";\n` +
        `export const manifest: ${type} = ${JSON.stringify(manifest, null, 1)};\n`;
}

// ---- What is checked: the examples, and what is wrong in each of their copies -----------------

const errors = [
    [0, "kind: Deployment", "kind: Deploiment"],
    [0, "apps/v1", "apps/v1beta1"],
    [0, "periodSeconds: 10", "periodSecond: 10"],
    [0, "periodSeconds: 10", "periodSeconds: ten"],
    [0, "periodSeconds: 10", "periodSeconds: 3"],
    [0, "path: /live, port: health", "path: /live"],
    [0, "path: /live", "path: /ready"],
    [0, "path: /live", "path: /health"],
    [0, "path: /ready", "path: /live"],
    [0, "path: /startup", "path: /ready"],
    [0, "path: /startup, port: health", "path: /startup, port: service"],
    [0, "timeoutSeconds: 2", "timeoutSeconds: 1"],
    [0, "failureThreshold: 30", "failureThreshold: 3"],
    [0, "terminationGracePeriodSeconds: 20", "terminationGracePeriodSeconds: 16"],
    [0, "sleep: {seconds: 5}", "sleep: {seconds: 15}"],
    [0, "sleep: {seconds: 5}", "sleep: 5"],
    [0, "10000", "5000"],
    [0, "10000", "15000"],
    [0, "\"8080\"", "\"8081\""],
    [0, "replicas: 3", "replicas: 1"],
    [0, "runAsNonRoot: true", "runAsNonRoot: false"],
    [0, "RuntimeDefault", "Unconfined"],
    [0, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"],
    [0, "drop: [ALL]", "add: [ALL]"],
    [0, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"],
    [0, "mountPath: /data", "mountPath: /var/data"],
    [0, "runAsUser: 65532", "runAsUser: 1000"],
    // Known by the types alone: nothing asks for it.
    [0, "enableServiceLinks", "enableServiceLink"],
    [0, "cpu: 50m", "cpu: [50m]"],
    [1, "targetPort: service", "targetPort: health"],
    [1, "  selector:\n    app.kubernetes.io/name: example-service", "  selector:\n    app: example-service"],
    [1, "port: 7000", "prot: 7000"],
    [2, "maxUnavailable: 1", "maxUnavailable: 3"],
    [2, "AlwaysAllow", "Always"],
    [2, "policy/v1", "policy/v1beta1"],
    [3, "/ready\"", "/live\""],
    [3, "[\"CMD\", ", "[\"CMD-SHELL\", "],
    [3, "interval: 5s", "interval: 30s"],
    [3, "timeout: 3s", "timeout: 2s"],
    [3, "stop_grace_period: 15s", "stop_grace_period: 10s"],
    [3, "service_healthy", "service_started"],
    [3, "start_period: 60s", "start_period: 10s"],
    [4, "/live\"", "/ready\""],
    [4, "retries: 3", "retries: 1"],
    [4, "stop_grace_period: 15s", "stop_grace_period: 10s"],
    [4, "read_only: true", "read_only: false"],
    [5, "USER nonroot", "USER root"],
    [5, "--interval=10s", "--interval=30s"],
    [5, "CMD [\"/service\", \"--health-probe\"", "CMD [\"/bin/sh\", \"-c\""],
    [6, "--timeout=3s", "--timeout=1s"],
    [6, "8080/live", "8080/ready"],
    [6, "65532:65532 data", "1000:1000 data"],
];

const original = {};
for (const name of names)
    original[name] = fs.readFileSync(path.join(root, "examples", name), "utf8");
const variants = [{name: "examples/", texts: original}];
for (const [index, from, to] of errors) {
    const name = names[index];
    if (!original[name].includes(from))
        throw new Error(`${name}: there is no ${from} to change`);
    variants.push({name: `${name} with ${to}`, texts: {...original, [name]: original[name].replace(from, to)}});
}

const sources = new Map();
variants.forEach((variant, index) => {
    variant.complaints = [];
    const complain = (text) => variant.complaints.push(text);
    try {
        const files = read(variant.texts);
        for (const name of names.filter((n) => n.startsWith("kubernetes/"))) {
            validate(files[name], complain);
            if (groups[files[name].kind] !== undefined && (index === 0 || variant.texts[name] !== original[name]))
                sources.set(path.resolve(`${index}-${path.basename(name)}.ts`), [variant, typed(files[name])]);
        }
        rules(files, complain);
    } catch (error) {
        complain(error.message);
    }
});

const options = {noEmit: true, strict: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2020,
    module: ts.ModuleKind.CommonJS, moduleResolution: ts.ModuleResolutionKind.Node10};
const host = ts.createCompilerHost(options);
const {fileExists, getSourceFile} = host;
host.fileExists = (name) => sources.has(name) || fileExists(name);
host.getSourceFile = (name, version) => sources.has(name) ?
    ts.createSourceFile(name, sources.get(name)[1], version) : getSourceFile(name, version);
const program = ts.createProgram([...sources.keys()], options, host);
for (const [name, [variant]] of sources)
    for (const found of program.getSemanticDiagnostics(program.getSourceFile(name)))
        variant.complaints.push(ts.flattenDiagnosticMessageText(found.messageText, " "));

let status = 0;
for (const text of variants[0].complaints) {
    console.log(`examples/: ${text}`);
    status = 1;
}
for (const variant of variants.slice(1)) {
    if (variant.complaints.length === 0) {
        console.log(`not noticed: ${variant.name}`);
        status = 1;
    } else if (process.env.VERBOSE) {
        console.log(`${variant.name}: ${variant.complaints[0]}`);
    }
}
console.log(`${names.length} files, ${errors.length} errors noticed in copies of them`);
process.exit(status);
