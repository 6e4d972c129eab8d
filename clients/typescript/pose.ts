// Reads `.pose` files, v0.1 and v0.2: the hands and the body of the first person, found by name.

const HAND = ('WRIST THUMB_CMC THUMB_MCP THUMB_IP THUMB_TIP '
  + 'INDEX_FINGER_MCP INDEX_FINGER_PIP INDEX_FINGER_DIP INDEX_FINGER_TIP '
  + 'MIDDLE_FINGER_MCP MIDDLE_FINGER_PIP MIDDLE_FINGER_DIP MIDDLE_FINGER_TIP '
  + 'RING_FINGER_MCP RING_FINGER_PIP RING_FINGER_DIP RING_FINGER_TIP '
  + 'PINKY_MCP PINKY_PIP PINKY_DIP PINKY_TIP').split(' ');
const BODY = ('NOSE LEFT_EYE_INNER LEFT_EYE LEFT_EYE_OUTER RIGHT_EYE_INNER RIGHT_EYE RIGHT_EYE_OUTER '
  + 'LEFT_EAR RIGHT_EAR MOUTH_LEFT MOUTH_RIGHT LEFT_SHOULDER RIGHT_SHOULDER LEFT_ELBOW RIGHT_ELBOW '
  + 'LEFT_WRIST RIGHT_WRIST LEFT_PINKY RIGHT_PINKY LEFT_INDEX RIGHT_INDEX LEFT_THUMB RIGHT_THUMB '
  + 'LEFT_HIP RIGHT_HIP LEFT_KNEE RIGHT_KNEE LEFT_ANKLE RIGHT_ANKLE LEFT_HEEL RIGHT_HEEL '
  + 'LEFT_FOOT_INDEX RIGHT_FOOT_INDEX').split(' ');

type Part = 'left' | 'right' | 'body';
/** Component of the file, and the names of its points in the order of the live wire. */
const PARTS: Record<string, [Part, string[]]> = {
  LEFT_HAND_LANDMARKS: ['left', HAND],
  RIGHT_HAND_LANDMARKS: ['right', HAND],
  POSE_LANDMARKS: ['body', BODY],
};

/** A point in pixels; confidence 0 where it was not found. */
export type Point = { x: number; y: number; z: number; confidence: number };

/**
 * One moment. `left`, `right` (21 points) and `body` (33) are in MediaPipe's order, or left out.
 * `timeUs` counts microseconds on any clock that does not run backwards.
 */
export type Frame = { timeUs: number; width: number; height: number } & Partial<Record<Part, Point[]>>;

export const MISSING: Point = { x: 0, y: 0, z: 0, confidence: 0 };

/** Where a part's points lie among a person's, and which of a point's numbers are x, y and z. */
type Source = { part: Part; places: (number | undefined)[]; axes: number[] };
type Header = { version: number; width: number; height: number; sources: Source[]; points: number; dims: number };

/** Walks over bytes. */
class Reader {
  at = 0;
  readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u16() { return this.view.getUint16((this.at += 2) - 2, true); }
  u32() { return this.view.getUint32((this.at += 4) - 4, true); }
  f32() { return this.view.getFloat32((this.at += 4) - 4, true); }

  text() {
    const size = this.u16();
    return new TextDecoder().decode(this.bytes.subarray(this.at, this.at += size));
  }
}

function readHeader(reader: Reader): Header {
  const version = Math.round(reader.f32() * 1000) / 1000;
  if (version !== 0.1 && version !== 0.2) throw new Error(`version ${version} of .pose is not read here, only 0.1 and 0.2`);
  const header: Header = { version, width: reader.u16(), height: reader.u16(), sources: [], points: 0, dims: 0 };
  reader.u16();
  for (let left = reader.u16(); left > 0; left -= 1) {
    const [name, letters] = [reader.text(), reader.text()];
    const [count, limbs, colours] = [reader.u16(), reader.u16(), reader.u16()];
    const names = Array.from({ length: count }, () => reader.text());
    reader.at += limbs * 4 + colours * 6;
    const known = Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
    if (known) {
      const places = known[1].map((point) => {
        const index = names.indexOf(point);
        return index < 0 ? undefined : header.points + index;
      });
      header.sources.push({ part: known[0], places, axes: ['X', 'Y', 'Z'].map((axis) => letters.indexOf(axis)) });
    }
    header.points += count;
    header.dims = Math.max(header.dims, letters.length - 1);
  }
  return header;
}

/** The frames of a file. Throws for what is no such file. */
export function readPose(bytes: Uint8Array): Frame[] {
  const reader = new Reader(bytes);
  const { version, width, height, sources, points, dims } = readHeader(reader);
  const fps = version === 0.1 ? reader.u16() : reader.f32();
  let frames = version === 0.1 ? reader.u16() : reader.u32();
  const perFrame = reader.u16() * points;
  const start = reader.at;
  const numbers = Math.floor((bytes.length - start) / 4);
  // v0.1 counts in 16 bits, and wraps around.
  if (version === 0.1 && perFrame) frames = Math.max(frames, Math.floor(numbers / (perFrame * (dims + 1))));
  const sure = frames * perFrame * dims;
  if (!(fps > 0) || numbers < sure + frames * perFrame) {
    throw new Error(`${frames} frames of ${perFrame} points are said to be there, and are not`);
  }
  const number = (index: number) => reader.view.getFloat32(start + 4 * index, true);
  const point = (place: number | undefined, axes: number[], frame: number): Point => {
    if (place === undefined) return MISSING;
    const index = frame * perFrame + place;
    const confidence = number(sure + index);
    if (!(confidence > 0)) return MISSING;
    const [x, y, z] = axes.map((axis) => (axis < 0 ? 0 : number(index * dims + axis)));
    return { x: x!, y: y!, z: z!, confidence: Math.min(confidence, 1) };
  };
  return Array.from({ length: frames }, (_, frame) => {
    const one: Frame = { timeUs: Math.round(frame * 1e6 / fps), width, height };
    for (const { part, places, axes } of perFrame ? sources : []) {
      const found = places.map((place) => point(place, axes, frame));
      if (found.some(({ confidence }) => confidence > 0)) one[part] = found;
    }
    return one;
  });
}
