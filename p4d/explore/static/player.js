// Plays a clip: video, marks, maps and charts always show the same instant.
//
// The clock is the time within the clip, in seconds. While the video plays, it is the clock; where no
// browser can play it, or there is none, a timer is. A map shows the last frame that was sampled at or
// before the clock.

for (const section of document.querySelectorAll(".player")) new Player(section).begin();

function Player(section) {
  const length = Number(section.dataset.length);
  const start = Number(section.dataset.start);
  const samples = section.dataset.samples.split(" ").map(Number);
  const find = (selector) => section.querySelector(selector);
  const screen = find(".screen"), how = find(".how");
  const slider = find("input[type=range]"), button = find(".play");
  const charts = [...document.querySelectorAll("svg.facts")];
  const strips = [...section.querySelectorAll("canvas[data-strip]")].map((canvas) =>
    new Strip(canvas, samples.length, () => show(clock)));
  let video = find("video");
  let clock = 0, playing = false, last = 0, end = null;

  this.begin = () => {
    button.onclick = () => (playing ? pause() : play(null));
    find(".back").onclick = () => step(-1);
    find(".on").onclick = () => step(1);
    find(".speed").onchange = () => { if (video) video.playbackRate = speed(); };
    find(".show-marks").onchange = (event) => {
      find("canvas.marks").style.visibility = event.target.checked ? "" : "hidden";
    };
    slider.oninput = () => { pause(); seek(Number(slider.value)); };
    for (const tick of section.querySelectorAll(".ticks button"))
      tick.onclick = () => { pause(); seek(Math.max(0, Number(tick.dataset.time))); };
    document.addEventListener("keydown", onKey);
    for (const span of document.querySelectorAll("button.span"))
      span.onclick = () => showSpan(Number(span.dataset.from), Number(span.dataset.to));
    for (const strip of strips) strip.load();
    if (video) {
      video.addEventListener("error", replaceVideo);
      video.addEventListener("loadedmetadata", () => {
        if (!video.videoWidth) replaceVideo();
        else seek(clock);
      });
      if (video.error) replaceVideo();
      else if (video.readyState >= 1) seek(clock);
    }
    show(0);
  };

  const speed = () => Number(find(".speed").value);

  function frameAt(time) {
    let found = 0;
    samples.forEach((at, k) => { if (at <= time + 1e-6) found = k; });
    return found;
  }

  function seek(time) {
    clock = Math.min(Math.max(time, 0), length - 1e-3);
    // A hair later than the frame begins: a seek to its exact time may show the one before.
    if (video) video.currentTime = start + clock + 1e-3;
    show(clock);
  }

  function show(time) {
    const frame = frameAt(time);
    for (const strip of strips) strip.draw(frame);
    if (!playing || document.activeElement !== slider) slider.value = time;
    find(".time").textContent = time.toFixed(2);
    find(".frame").textContent = frame + 1;
    section.dataset.frame = frame + 1;
    section.querySelectorAll(".ticks button").forEach((tick, k) =>
      tick.setAttribute("aria-current", k === frame));
    for (const chart of charts) {
      const left = Number(chart.dataset.left), right = Number(chart.dataset.right);
      const x = left + (right - left) * time / length;
      const now = chart.querySelector(".now");
      now.setAttribute("x1", x);
      now.setAttribute("x2", x);
    }
  }

  function step(by) {
    pause();
    const wanted = frameAt(clock) + by;
    seek(Math.max(0, samples[(wanted + samples.length) % samples.length]));
  }

  // The time that a question is about: an instant is shown, a span is played once.
  function showSpan(from, to) {
    pause();
    section.scrollIntoView({ block: "center" });
    seek(from);
    if (to > from) play(to);
  }

  async function play(until = null) {
    playing = true;
    end = until;
    button.textContent = "Pause";
    last = performance.now();
    if (video) {
      video.playbackRate = speed();
      try { await video.play(); } catch { /* a pause that came first ends the promise */ }
    }
    requestAnimationFrame(onFrame);
  }

  function pause() {
    playing = false;
    button.textContent = "Play";
    if (video) video.pause();
  }

  function onFrame(now) {
    if (!playing) return;
    if (video) {
      clock = video.currentTime - start;
      if (clock >= length || video.ended || clock < -0.05) {
        seek(0);
        if (video.paused) video.play();
      }
    } else {
      clock = (clock + (now - last) / 1000 * speed()) % length;
    }
    last = now;
    if (end !== null && clock >= end) {
      pause();
      seek(end);
      return;
    }
    show(Math.max(0, clock));
    requestAnimationFrame(onFrame);
  }

  // What the browser cannot play is shown as the sampled frames, decoded by the server.
  function replaceVideo() {
    if (!video) return;
    video.remove();
    video = null;
    how.textContent = "(this browser cannot play it: sampled frames, decoded)";
    const picture = screen.querySelector("canvas.picture");
    picture.hidden = false;
    const strip = strips.find((each) => each.canvas === picture);
    strip.useFrames(section.dataset.source, samples.length);
    show(clock);
  }

  function onKey(event) {
    if (event.target.closest("input:not([type=range]):not([type=checkbox]), textarea, select, summary, a")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && !event.target.closest("button, input")) button.click();
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else return;
    event.preventDefault();
  }
}

// A picture of all frames side by side, one of which is drawn.
function Strip(canvas, count, onLoad) {
  const context = canvas.getContext("2d");
  const output = canvas.parentElement.querySelector("output");
  let image = null, frames = [], shown = 0, values = null, pointer = null;
  this.canvas = canvas;

  this.load = () => {
    const loading = new Image();
    loading.onload = () => {
      image = loading;
      canvas.width = image.width / count;
      canvas.height = image.height;
      canvas.dataset.loaded = "yes";
      onLoad();
    };
    loading.onerror = () => {
      canvas.dataset.loaded = "failed";
      if (output) output.textContent = "cannot be shown";
    };
    loading.src = canvas.dataset.strip;
    if (canvas.dataset.values) {
      canvas.onmousemove = (event) => { pointer = [event.offsetX, event.offsetY]; tell(); };
      canvas.onmouseleave = () => { pointer = null; output.textContent = ""; };
    }
  };

  // Single pictures instead of the strip.
  this.useFrames = (address, number) => {
    frames = Array.from({ length: number }, (_, k) => {
      const each = new Image();
      each.onload = () => { canvas.width = each.width; canvas.height = each.height; onLoad(); };
      each.src = `${address}${k}.jpg`;
      return each;
    });
  };

  this.draw = (frame) => {
    shown = frame;
    const single = frames[frame];
    if (single && single.complete && single.naturalWidth) {
      context.drawImage(single, 0, 0, canvas.width, canvas.height);
    } else if (image && !frames.length) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, frame * canvas.width, 0, canvas.width, canvas.height,
        0, 0, canvas.width, canvas.height);
    }
    if (pointer) tell();
    else if (canvas.dataset.modality === "flow")
      output.textContent = frame ? "" : "no frame before the first";
  };

  // The value below the pointer, with its unit.
  async function tell() {
    if (!values) {
      values = fetch(canvas.dataset.values).then((answer) => answer.ok ? answer.arrayBuffer() : null);
      values = values.then((buffer) => buffer && new Float32Array(buffer));
    }
    const array = await values;
    if (!array || !pointer) return;
    const side = canvas.width, flow = canvas.dataset.modality === "flow";
    const x = Math.min(side - 1, Math.floor(pointer[0] / canvas.clientWidth * side));
    const y = Math.min(canvas.height - 1, Math.floor(pointer[1] / canvas.clientHeight * canvas.height));
    const at = ((shown * canvas.height + y) * side + x) * (flow ? 2 : 1);
    output.textContent = `(${x}, ${y}): ${text(array, at)}`;
  }

  function text(array, at) {
    if (Number.isNaN(array[at])) return "not valid";
    if (canvas.dataset.modality === "flow")
      return `${array[at].toFixed(2)}, ${array[at + 1].toFixed(2)} px`;
    const unit = canvas.dataset.modality === "depth" && canvas.dataset.unit === "m" ? " m" : "";
    return `${array[at].toFixed(2)}${unit}`;
  }
}
