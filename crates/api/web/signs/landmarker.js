// Why: finds the points of hands and body in the browser, so that no picture has to leave it. The
// landmarker is not part of this page: the server's operator installs it, or it is not there.

const BASE = '/assets/landmarker/';
const LIBRARY = '@mediapipe/holistic';

/** The installed landmarker's version, or null when there is none. @returns {Promise<string | null>} */
export async function installed() {
  const answer = await fetch(`${BASE}package.json`).catch(() => null);
  if (!answer?.ok) return null;
  const about = await answer.json().catch(() => null);
  return about?.name === LIBRARY ? about.version : null;
}

/** @type {Promise<any> | null} */
let loading = null;

/** Loads it once; takes some seconds. @returns {Promise<any>} */
function load() {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement('script');
    script.src = `${BASE}holistic.js`;
    script.onload = () => done(/** @type {any} */ (globalThis).Holistic);
    script.onerror = () => failed(new Error('the landmarker could not be loaded'));
    document.head.append(script);
  });
  return loading;
}

/**
 * A landmarker; `find` gives the points of one frame.
 *
 * @returns {Promise<{find: (video: HTMLVideoElement, timeUs: number) => Promise<import('./wire.js').Points>, close: () => void}>}
 */
export async function landmarker() {
  const Holistic = await load();
  const holistic = new Holistic({ locateFile: (/** @type {string} */ name) => BASE + name });
  holistic.setOptions({ modelComplexity: 0, smoothLandmarks: true, refineFaceLandmarks: false, selfieMode: false });
  /** @type {any} */
  let found = null;
  holistic.onResults((/** @type {any} */ results) => {
    found = results;
  });
  await holistic.initialize();
  return {
    async find(video, timeUs) {
      await holistic.send({ image: video });
      return {
        timeUs, width: video.videoWidth, height: video.videoHeight,
        left: found?.leftHandLandmarks, right: found?.rightHandLandmarks, body: found?.poseLandmarks,
      };
    },
    close: () => holistic.close(),
  };
}
