// Why: one connection to one other person, by the "perfect negotiation" pattern: both sides may
// offer at any time, and when offers cross, one of the two (the polite one) gives way.

const KINDS = ['video', 'audio'];

/** Says `stream`, `state`. Signals go out through `send`. */
export class Peer extends EventTarget {
  /**
   * @param {object} how
   * @param {boolean} how.polite
   * @param {RTCIceServer[]} how.iceServers
   * @param {(payload: any) => void} how.send
   * @param {MediaStream} how.own
   */
  constructor({ polite, iceServers, send, own }) {
    super();
    this.polite = polite;
    /** What a closed connection still has to say would be taken for the next one's. */
    this.send = (/** @type {any} */ payload) => this.pc.signalingState !== 'closed' && send(payload);
    /** Since when there is no connection; 0 while there is one. */
    this.since = Date.now();
    this.making = false;
    this.ignoring = false;
    this.remote = new MediaStream();
    this.own = own;
    /** @type {Record<string, RTCRtpSender>} */
    this.senders = {};
    // One line for picture and sound from the first: else the second one is closed when both agree to
    // share, and would be taken for the other side's end.
    const pc = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
    this.pc = pc;
    pc.onnegotiationneeded = () => this.offer();
    pc.onicecandidate = ({ candidate }) => candidate && this.send({ candidate: candidate.toJSON() });
    pc.oniceconnectionstatechange = () => pc.iceConnectionState === 'failed' && pc.restartIce();
    pc.onconnectionstatechange = () => {
      const transport = pc.getReceivers()[0]?.transport;
      if (transport) transport.onstatechange = () => this.changed();
      this.changed();
    };
    pc.ontrack = ({ track }) => {
      this.remote.addTrack(track);
      track.onended = () => this.remote.removeTrack(track);
      track.onmute = track.onunmute = () => this.dispatchEvent(new Event('stream'));
      this.dispatchEvent(new Event('stream'));
    };
    // One side alone makes the two lines, video and sound; the other answers on the same ones.
    if (!polite) for (const kind of KINDS) this.senders[kind] = pc.addTransceiver(kind, { direction: 'sendrecv' }).sender;
    this.share();
  }

  /** How the connection stands; `closed` also when the other side has closed it without a word. */
  get state() {
    return this.pc.getReceivers()[0]?.transport?.state === 'closed' ? 'closed' : this.pc.connectionState;
  }

  changed() {
    this.since = this.state === 'connected' ? 0 : this.since || Date.now();
    this.dispatchEvent(new Event('state'));
  }

  /** Milliseconds without a connection. @param {number} now */
  idle(now) {
    return this.since && now - this.since;
  }

  /** Whether pictures can come; else the last one would stand still and look like somebody listening. */
  get alive() {
    return ['new', 'connecting', 'connected'].includes(this.state);
  }

  /** Sends what there is now of one's own; tracks are swapped in place, so nothing is negotiated anew. */
  share() {
    for (const kind of KINDS) {
      const track = this.own.getTracks().find((one) => one.kind === kind) ?? null;
      this.senders[kind]?.replaceTrack(track).catch(() => null);
    }
  }

  /** Takes the lines that the other side has made for one's own use too. */
  adopt() {
    for (const transceiver of this.pc.getTransceivers()) {
      const { kind } = transceiver.receiver.track;
      if (this.senders[kind]) continue;
      transceiver.direction = 'sendrecv';
      this.senders[kind] = transceiver.sender;
    }
    this.share();
  }

  async offer() {
    try {
      this.making = true;
      await this.pc.setLocalDescription();
      this.send({ description: this.pc.localDescription?.toJSON() });
    } catch {
      // The connection was closed meanwhile.
    } finally {
      this.making = false;
    }
  }

  /** Takes a signal of the other side. @param {{description?: RTCSessionDescriptionInit, candidate?: RTCIceCandidateInit}} signal */
  async take({ description, candidate }) {
    const { pc } = this;
    if (description) {
      const crossing = description.type === 'offer' && (this.making || pc.signalingState !== 'stable');
      this.ignoring = !this.polite && crossing;
      if (this.ignoring) return;
      await pc.setRemoteDescription(description);
      if (description.type === 'offer') {
        this.adopt();
        await pc.setLocalDescription();
        this.send({ description: pc.localDescription?.toJSON() });
      }
    } else if (candidate) {
      await pc.addIceCandidate(candidate).catch((fault) => {
        if (!this.ignoring) throw fault;
      });
    }
  }

  close() {
    this.pc.close();
  }
}
