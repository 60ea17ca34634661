/** Made-up networks: the layers that `explain.layers` would list, and which convolution is behind each. */

export interface DemoLayer {
  readonly name: string;
  readonly kind: string;
  readonly shape: readonly [channels: number, rows: number, columns: number];
  readonly parameters: number;
  readonly stride: readonly [number, number] | null;
  readonly field: readonly [number, number] | null;
  readonly sees_all: boolean;
  readonly call: number;
  /** The convolution that made this map; empty if none alone did. */
  readonly filters: string;
  /** Input channels of one filter, and its side. */
  readonly inputs: number;
  readonly side: number;
}

const INPUT = 224;

/** Writes layers down as a network would run them. */
class Writer {
  readonly layers: DemoLayer[] = [];
  private call = 0;
  private channels = 3;
  private stride = 1;
  private field = 1;
  private seesAll = false;
  private behind = { filters: "", inputs: 0, side: 0 };

  /** A new value: a convolution, a pooling, an addition. */
  private value(name: string, kind: string, parameters: number): void {
    this.call += 1;
    this.also(name, kind, parameters);
  }

  /** Another name for the last value, such as the block that returns it. */
  also(name: string, kind: string, parameters: number): void {
    const cells = Math.max(1, Math.round(INPUT / this.stride));
    this.layers.push({
      name,
      kind,
      shape: [this.channels, cells, cells],
      parameters,
      stride: [this.stride, this.stride],
      field: this.seesAll ? null : [this.field, this.field],
      sees_all: this.seesAll,
      call: this.call,
      ...this.behind,
    });
  }

  convolution(name: string, channels: number, side: number, stride = 1, groups = 1): void {
    const inputs = this.channels / groups;
    this.behind = { filters: name, inputs, side };
    this.field += (side - 1) * this.stride;
    this.stride *= stride;
    this.channels = channels;
    this.value(name, "Conv2d", channels * inputs * side * side);
  }

  /** Cell by cell: the convolution stays behind the map. */
  pointwise(name: string, kind: string): void {
    this.value(name, kind, kind === "BatchNorm2d" ? 2 * this.channels : 0);
  }

  pool(name: string): void {
    this.behind = { filters: "", inputs: 0, side: 0 };
    this.field += this.stride;
    this.stride *= 2;
    this.value(name, "MaxPool2d", 0);
  }

  add(name: string): void {
    this.behind = { filters: "", inputs: 0, side: 0 };
    this.value(name, "add", 0);
  }

  concatenate(name: string, channels: number): void {
    this.behind = { filters: "", inputs: 0, side: 0 };
    this.channels = channels;
    this.value(name, "cat", 0);
  }

  /** A gate that depends on the whole picture. */
  squeeze(name: string): void {
    this.seesAll = true;
    this.behind = { filters: "", inputs: 0, side: 0 };
    this.value(name, "SqueezeExcitation", Math.round((this.channels * this.channels) / 2));
  }

  get width(): number {
    return this.channels;
  }
}

/** Three layers, as a textbook begins. */
export function tinyNetwork(): DemoLayer[] {
  const net = new Writer();
  net.convolution("0", 8, 5, 2);
  net.pointwise("1", "ReLU");
  net.pool("2");
  return net.layers;
}

/** Inverted bottlenecks: about a hundred layers. */
export function liteNetwork(gated = false): DemoLayer[] {
  const net = new Writer();
  const activated = (path: string, part: string) => {
    net.pointwise(`${path}.bn${part}`, "BatchNorm2d");
    net.pointwise(`${path}.act${part}`, "ReLU6");
  };
  net.convolution("conv_stem", 32, 3, 2);
  net.pointwise("bn1", "BatchNorm2d");
  net.pointwise("act1", "ReLU6");
  const stages = [
    [16, 1, 1],
    [24, 2, 2],
    [40, 2, 2],
    [80, 3, 2],
    [112, 3, 1],
    [192, 4, 2],
    [320, 1, 1],
  ];
  stages.forEach(([channels, blocks, stride], stage) => {
    for (let block = 0; block < blocks; block++) {
      const path = `blocks.${stage}.${block}`;
      const wide = stage === 0 ? net.width : 6 * net.width;
      if (stage > 0) {
        net.convolution(`${path}.conv_pw`, wide, 1);
        activated(path, "1");
      }
      net.convolution(`${path}.conv_dw`, wide, stage % 2 ? 3 : 5, block === 0 ? stride : 1, wide);
      activated(path, "2");
      if (gated) net.squeeze(`${path}.se`);
      net.convolution(`${path}.conv_pwl`, channels, 1);
      net.pointwise(`${path}.bn3`, "BatchNorm2d");
      if (block > 0) net.add(`${path}.add()`);
      net.also(path, "InvertedResidual", 12 * channels * channels);
    }
    net.also(`blocks.${stage}`, "Sequential", 14 * channels * channels);
  });
  net.also("blocks", "Sequential", 2_900_000);
  net.convolution("conv_head", 1280, 1);
  net.pointwise("bn2", "BatchNorm2d");
  net.pointwise("act2", "ReLU6");
  return net.layers;
}

/** Densely connected blocks: more than six hundred layers. */
export function denseNetwork(): DemoLayer[] {
  const net = new Writer();
  net.convolution("features.conv0", 64, 7, 2);
  net.pointwise("features.norm0", "BatchNorm2d");
  net.pointwise("features.relu0", "ReLU");
  net.pool("features.pool0");
  [6, 12, 48, 32].forEach((count, stage) => {
    const start = net.width;
    for (let i = 1; i <= count; i++) {
      const path = `features.denseblock${stage + 1}.denselayer${i}`;
      net.concatenate(`${path}.cat()`, start + 32 * (i - 1));
      net.pointwise(`${path}.norm1`, "BatchNorm2d");
      net.pointwise(`${path}.relu1`, "ReLU");
      net.convolution(`${path}.conv1`, 128, 1);
      net.pointwise(`${path}.norm2`, "BatchNorm2d");
      net.pointwise(`${path}.relu2`, "ReLU");
      net.convolution(`${path}.conv2`, 32, 3);
      net.also(path, "_DenseLayer", 90_000);
    }
    net.concatenate(`features.denseblock${stage + 1}`, start + 32 * count);
    if (stage === 3) return;
    const path = `features.transition${stage + 1}`;
    net.pointwise(`${path}.norm`, "BatchNorm2d");
    net.pointwise(`${path}.relu`, "ReLU");
    net.convolution(`${path}.conv`, net.width / 2, 1);
    net.pool(`${path}.pool`);
    net.also(path, "_Transition", 500_000);
  });
  net.pointwise("features.norm5", "BatchNorm2d");
  net.also("features", "Sequential", 18_000_000);
  return net.layers;
}

/** What of a layer is listed in `_layers`. */
export function wireLayers(layers: readonly DemoLayer[]) {
  return layers.map(({ filters, inputs, side, ...listed }) => listed);
}
