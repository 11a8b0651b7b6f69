// The same trainings in TensorFlow.js, as its own layers would compute them: weights of dense layers as [inputs, outputs], pictures as [rows, height, width,
// channels]. `arrays` are data and parameters as the engine that is measured beside it has them.

const RATE = 0.01;
const MOMENTUM = 0.9;
const HEADS = 4;

const models = {
  linreg_b16: ({ x, y, parts: [weight, bias] }, tf) => tf.losses.meanSquaredError(y, tf.add(tf.matMul(x, weight), bias)),

  mlp_b64: ({ x, y, parts: p }, tf) => {
    const dense = (x, i) => tf.add(tf.matMul(x, p[2 * i]), p[2 * i + 1]);
    return tf.losses.softmaxCrossEntropy(y, dense(tf.relu(dense(tf.relu(dense(x, 0)), 1)), 2));
  },

  cnn_b64: ({ x, y, parts: p }, tf) => {
    const block = (x, i) => tf.maxPool(tf.relu(tf.add(tf.conv2d(x, p[2 * i], 1, 'same'), p[2 * i + 1])), 2, 2, 'valid');
    const features = tf.reshape(block(block(x, 0), 1), [-1, 1568]);
    return tf.losses.softmaxCrossEntropy(y, tf.add(tf.matMul(features, p[4]), p[5]));
  },

  transformer: ({ x, y, named: p }, tf) => {
    const [rows, length, width] = x.shape;
    const dense = (x, name) => tf.add(tf.matMul(x, p[`${name}.weight`]), p[`${name}.bias`]);
    const norm = (x, name) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), p[`${name}.weight`]), p[`${name}.bias`]);
    };
    const heads = (x) => tf.transpose(tf.reshape(x, [rows, length, HEADS, width / HEADS]), [0, 2, 1, 3]);
    const attention = (x) => {
      const [q, k, v] = ['q', 'k', 'v'].map((name) => heads(dense(x, `self_attn.${name}_proj`)));
      const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width / HEADS)));
      return dense(tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [rows * length, width]), 'self_attn.out_proj');
    };
    const gelu = (x) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))));
    const flat = tf.reshape(x, [rows * length, width]);
    const attended = tf.add(flat, attention(norm(flat, 'norm1')));
    const out = tf.add(attended, dense(gelu(dense(norm(attended, 'norm2'), 'linear1')), 'linear2'));
    return tf.losses.meanSquaredError(y, tf.reshape(out, [rows, length, width]));
  },
};

// A parameter in the layout that TensorFlow.js computes with.
function laidOut(tf, { name, shape, values }, conv) {
  const given = tf.tensor(values, [...shape]);
  if (shape.length === 4) return given.transpose([2, 3, 1, 0]);
  // What follows a convolution reads channels last.
  if (conv && shape.length === 2) return given.reshape([shape[0], 32, 7, 7]).transpose([2, 3, 1, 0]).reshape([shape[1], shape[0]]);
  return shape.length === 2 && name.endsWith('weight') ? given.transpose() : given;
}

/** A training on one of TensorFlow.js's backends: `steps(n)` takes n steps and gives the loss before the last of them. */
export async function train(tf, backend, workload, arrays) {
  const chosen = async () => { if (tf.getBackend() !== backend) await tf.setBackend(backend); };
  await chosen();
  const [x, y, ...parameters] = arrays;
  const conv = workload.startsWith('cnn');
  const model = tf.tidy(() => {
    const parts = parameters.map((array) => tf.keep(tf.variable(laidOut(tf, array, conv))));
    const inputs = conv ? tf.tensor(x.values, [...x.shape]).transpose([0, 2, 3, 1]) : tf.tensor(x.values, [...x.shape]);
    const targets = y.shape.length === 1 ? tf.oneHot(tf.tensor1d(y.values, 'int32'), 10).toFloat() : tf.tensor(y.values, [...y.shape]);
    return { x: tf.keep(inputs), y: tf.keep(targets), parts, named: Object.fromEntries(parameters.map(({ name }, i) => [name, parts[i]])) };
  });
  const optimizer = tf.train.momentum(RATE, MOMENTUM);
  return {
    async steps(count) {
      await chosen();
      for (let step = 1; step < count; step += 1) optimizer.minimize(() => models[workload](model, tf), false, model.parts);
      const loss = optimizer.minimize(() => models[workload](model, tf), true, model.parts);
      const [value] = await loss.data();
      loss.dispose();
      return value;
    },
    free: () => tf.dispose([model.x, model.y, model.parts, ...Object.values(optimizer).filter((part) => part instanceof tf.Tensor)]),
  };
}
