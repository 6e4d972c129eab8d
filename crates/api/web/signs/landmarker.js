// Why: finds the points of hands and body in the browser, so that no picture has to leave it. The
// landmarker is not part of this page: the server's operator installs it, or it is not there.

const BASE = '/assets/landmarker/';

/** @typedef {Pick<import('./wire.js').Points, 'left' | 'right' | 'body'>} Found */
/** @typedef {{script: string, name: string, options: Record<string, any>, read: (results: any) => Found}} Library */

/** The libraries that this page can drive, by the name of their package. @type {Record<string, Library>} */
const LIBRARIES = {
  '@mediapipe/holistic': {
    script: 'holistic.js',
    name: 'Holistic',
    options: { modelComplexity: 0, smoothLandmarks: true, refineFaceLandmarks: false, selfieMode: false },
    read: (results) => ({ left: results.leftHandLandmarks, right: results.rightHandLandmarks, body: results.poseLandmarks }),
  },
  '@mediapipe/hands': {
    script: 'hands.js',
    name: 'Hands',
    options: { modelComplexity: 0, maxNumHands: 2, selfieMode: false },
    read: (results) => {
      // It takes every picture for a mirrored one; ours are not, so left is right.
      const hand = (/** @type {string} */ label) => {
        const at = (results.multiHandedness ?? []).findIndex((/** @type {any} */ one) => one.label === label);
        return at < 0 ? undefined : results.multiHandLandmarks[at];
      };
      return { left: hand('Right'), right: hand('Left') };
    },
  },
};

/** What is installed: name and version of the package, or null. @returns {Promise<{name: string, version: string} | null>} */
export async function installed() {
  const answer = await fetch(`${BASE}package.json`).catch(() => null);
  if (!answer?.ok) return null;
  const about = await answer.json().catch(() => null);
  return about?.name in LIBRARIES ? about : null;
}

/** @type {Promise<any> | null} */
let loading = null;

/** Loads the library once. @param {Library} library @returns {Promise<any>} */
function load(library) {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement('script');
    script.src = BASE + library.script;
    script.onload = () => done(/** @type {any} */ (globalThis)[library.name]);
    script.onerror = () => failed(new Error('the landmarker could not be loaded'));
    document.head.append(script);
  });
  return loading;
}

/** What the names of drivers that draw without a graphics card have in them. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Whether this device calculates faster without its graphics card, since it only pretends to one. */
function drawsInSoftware() {
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) return true;
  const told = gl.getExtension('WEBGL_debug_renderer_info');
  const renderer = String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return SOFTWARE.test(renderer);
}

/**
 * A landmarker, ready after some seconds; `find` gives the points of one frame.
 *
 * @returns {Promise<{find: (video: HTMLVideoElement, timeUs: number) => Promise<import('./wire.js').Points>, close: () => void}>}
 */
export async function landmarker() {
  const about = await installed();
  if (!about) throw new Error('no landmarker is installed');
  const library = LIBRARIES[about.name];
  const Library = await load(library);
  const solution = new Library({ locateFile: (/** @type {string} */ name) => BASE + name });
  solution.setOptions(drawsInSoftware() ? { ...library.options, useCpuInference: true } : library.options);
  /** @type {Found} */
  let found = {};
  solution.onResults((/** @type {any} */ results) => {
    found = library.read(results);
  });
  await solution.initialize();
  return {
    async find(video, timeUs) {
      await solution.send({ image: video });
      return { timeUs, width: video.videoWidth, height: video.videoHeight, ...found };
    },
    close: () => solution.close(),
  };
}
