"""Bad configs and the exact message of each: read by people, then frozen. The first line is always `my.yaml: N problem(s)`."""

BAD = [
    (
        "unknown_key",
        "dataset: mnist\nhiden_sizes: [300]\n",
        [
            "my.yaml: 1 problem",
            "  line 2   hiden_sizes: [300]    unknown key; did you mean hidden_sizes?",
        ],
    ),
    (
        "two",
        "dataset: mnist\nhiden_sizes: [300]\nx: 1\nlearning_rate: -0.1\n",
        [
            "my.yaml: 3 problems",
            "  line 2   hiden_sizes: [300]     unknown key; did you mean hidden_sizes?",
            "  line 3   x: 1                   unknown key; known: name, seed, dataset, augment, features, hidden_sizes, activation, initializer, optimizer, learning_rate, schedule, epochs, batch_size, loss, dropout, input_dropout, batch_norm, layer_norm, gaussian_noise, weight_decay, l1, max_norm, clip_norm, clip_value, label_smoothing, class_weight, mixup, ema, early_stopping, metrics and 6 more",
            "  line 4   learning_rate: -0.1    must be greater than 0",
        ],
    ),
    (
        "unknown_optimizer",
        "dataset: mnist\noptimizer: adm\n",
        [
            "my.yaml: 1 problem",
            "  line 2   optimizer: adm    unknown optimizer; did you mean adam? (known: sgd, momentum, nesterov, rmsprop, adam, adamw, adagrad, adadelta, adamax, nadam, radam, lion)",
        ],
    ),
    (
        "optimizer_number",
        "dataset: mnist\noptimizer: 3\n",
        [
            "my.yaml: 1 problem",
            "  line 2   optimizer: 3    must be the name of an optimizer (known: sgd, momentum, nesterov, rmsprop, adam, adamw, adagrad, adadelta, adamax, nadam, radam, lion)",
        ],
    ),
    (
        "optimizer_list",
        "dataset: mnist\noptimizer: [adam]\n",
        [
            "my.yaml: 1 problem",
            "  line 2   optimizer: [adam]    must be the name of an optimizer (known: sgd, momentum, nesterov, rmsprop, adam, adamw, adagrad, adadelta, adamax, nadam, radam, lion)",
        ],
    ),
    (
        "optimizer_no_name",
        "dataset: mnist\noptimizer: {beta_1: 0.9}\n",
        [
            "my.yaml: 1 problem",
            "  line 2   optimizer: {beta_1: 0.9}    has no name; write {name: adam, beta_1: 0.9}, for one (known: sgd, momentum, nesterov, rmsprop, adam, adamw, adagrad, adadelta, adamax, nadam, radam, lion)",
        ],
    ),
    (
        "optimizer_wrong_option",
        "dataset: mnist\noptimizer: {name: sgd, beta_1: 0.9}\n",
        [
            "my.yaml: 1 problem",
            "  line 2   optimizer.beta_1: 0.9    unknown key; sgd does not take it; adam, adamw, adamax, nadam, radam or lion does",
        ],
    ),
    (
        "optimizer_bad_option",
        "dataset: mnist\noptimizer: {name: adam, beta_1: 1.0}\n",
        [
            "my.yaml: 1 problem",
            "  line 2   optimizer.beta_1: 1.0    must be at least 0 and less than 1",
        ],
    ),
    (
        "option_at_top",
        "dataset: mnist\nbeta_1: 0.9\n",
        [
            "my.yaml: 1 problem",
            "  line 2   beta_1: 0.9    unknown key; belongs under optimizer; write optimizer: {name: adam, beta_1: 0.9}",
        ],
    ),
    (
        "option_at_top2",
        "dataset: mnist\nwarmup_epochs: 1\n",
        [
            "my.yaml: 1 problem",
            "  line 2   warmup_epochs: 1    unknown key; belongs under schedule; write schedule: {name: constant, warmup_epochs: 1}",
        ],
    ),
    (
        "option_at_top3",
        "dataset: mnist\npatience: 3\n",
        [
            "my.yaml: 1 problem",
            "  line 2   patience: 3    unknown key; belongs under schedule or early_stopping",
        ],
    ),
    (
        "option_of_a_mapping_below",
        "dataset: {path: a.csv, target: y, sep: ';'}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.sep: ';'    unknown key; belongs under dataset.read",
        ],
    ),
    (
        "lr_in_optimizer",
        "dataset: mnist\noptimizer:\n  name: adam\n  learning_rate: 0.1\n",
        [
            "my.yaml: 1 problem",
            "  line 4   optimizer.learning_rate: 0.1    unknown key; belongs at the top level",
        ],
    ),
    (
        "unknown_activation",
        "dataset: mnist\nactivation: rleu\n",
        [
            "my.yaml: 1 problem",
            "  line 2   activation: rleu    unknown activation; did you mean relu? (known: relu, sigmoid, tanh, identity, leaky_relu, softplus, elu, selu, gelu, silu, mish, relu6, hard_sigmoid, softsign, prelu)",
        ],
    ),
    (
        "activation_count",
        "dataset: mnist\nhidden_sizes: [10, 10]\nactivation: [relu]\n",
        [
            "my.yaml: 1 problem",
            "  line 3   activation: [relu]    has 1 value, and hidden_sizes has 2 layers; give one value for all layers, or a list with one for each",
        ],
    ),
    (
        "unknown_initializer",
        "dataset: mnist\ninitializer: xavier\n",
        [
            "my.yaml: 1 problem",
            "  line 2   initializer: xavier    unknown initializer; did you mean xavier_normal? (known: random_normal, random_uniform, zeros, xavier_normal, xavier_uniform, he_normal, he_uniform, lecun_normal, lecun_uniform, truncated_normal, orthogonal, constant)",
        ],
    ),
    (
        "unknown_schedule",
        "dataset: mnist\nschedule: cos\n",
        [
            "my.yaml: 1 problem",
            "  line 2   schedule: cos    unknown schedule; did you mean cosine? (known: constant, step, exponential, cosine, polynomial, inverse_square_root, one_cycle, cyclic, warm_restarts, reduce_on_plateau)",
        ],
    ),
    (
        "unknown_loss",
        "dataset: mnist\nloss: crossentropy\n",
        [
            "my.yaml: 1 problem",
            "  line 2   loss: crossentropy    unknown loss; did you mean cross_entropy? (known: cross_entropy, binary_cross_entropy, multi_label, mse, mae, huber)",
        ],
    ),
    (
        "labels_and_one_class",
        "dataset: {path: tags.csv, target: [sea, sun]}\nloss: cross_entropy\n",
        [
            "my.yaml: 1 problem",
            "  line 2   loss: cross_entropy    cross_entropy takes one target, and dataset.target names 2; write multi_label for labels of 0 and 1, or one target for each run",
        ],
    ),
    (
        "labels_and_a_quantity",
        "dataset: {path: tags.csv, target: [sea, sun], target_scale: log}\nloss: multi_label\n",
        [
            "my.yaml: 1 problem",
            "  line 2   loss: multi_label    multi_label takes classes, and dataset.target_scale is for a quantity; remove it, or write loss: mse",
        ],
    ),
    (
        "one_label",
        "dataset: {path: tags.csv, target: [sea]}\nloss: multi_label\n",
        ["my.yaml: 1 problem", "  line 1   dataset.target: [sea]    must be a text, or a list of 2 or more"],
    ),
    (
        "labels_twice",
        "dataset: {path: tags.csv, target: [sea, sea]}\nloss: multi_label\n",
        ["my.yaml: 1 problem", "  line 1   dataset.target: [sea, sea]    must be a text, or has sea twice"],
    ),
    (
        "labels_and_top_k",
        "dataset: {path: tags.npz}\nloss: multi_label\nmetrics: [macro_f1, top_k]\n",
        [
            "my.yaml: 1 problem",
            "  line 3   metrics: [macro_f1, top_k]    top_k is for one class a row, and loss: multi_label is for several labels; remove it",
        ],
    ),
    (
        "labels_stopped_by_r2",
        "dataset: {path: tags.npz}\nloss: multi_label\nearly_stopping: {monitor: val_r2}\n",
        [
            "my.yaml: 1 problem",
            "  line 3   early_stopping: {monitor: val_r2}    monitor: val_r2 does not go with loss: multi_label; write val_loss or val_accuracy",
        ],
    ),
    (
        "loss_reduction",
        "dataset: mnist\nloss: {name: cross_entropy, reduction: avg}\n",
        [
            "my.yaml: 1 problem",
            "  line 2   loss.reduction: avg    must be mean or sum",
        ],
    ),
    (
        "lr_negative",
        "dataset: mnist\nlearning_rate: -1e-3\n",
        [
            "my.yaml: 1 problem",
            "  line 2   learning_rate: -1e-3    must be greater than 0",
        ],
    ),
    (
        "lr_zero",
        "dataset: mnist\nlearning_rate: 0\n",
        [
            "my.yaml: 1 problem",
            "  line 2   learning_rate: 0    must be greater than 0",
        ],
    ),
    (
        "lr_nan",
        "dataset: mnist\nlearning_rate: .nan\n",
        [
            "my.yaml: 1 problem",
            "  line 2   learning_rate: .nan    must be a finite number",
        ],
    ),
    (
        "lr_inf",
        "dataset: mnist\nlearning_rate: .inf\n",
        [
            "my.yaml: 1 problem",
            "  line 2   learning_rate: .inf    must be a finite number",
        ],
    ),
    (
        "lr_text",
        "dataset: mnist\nlearning_rate: fast\n",
        [
            "my.yaml: 1 problem",
            "  line 2   learning_rate: fast    must be a number, greater than 0",
        ],
    ),
    (
        "lr_quoted",
        'dataset: mnist\nlearning_rate: "1e-3"\n',
        [
            "my.yaml: 1 problem",
            '  line 2   learning_rate: "1e-3"    must be a number, greater than 0; remove the quotes',
        ],
    ),
    (
        "lr_bool",
        "dataset: mnist\nlearning_rate: true\n",
        [
            "my.yaml: 1 problem",
            "  line 2   learning_rate: true    must be a number, greater than 0",
        ],
    ),
    (
        "lr_null",
        "dataset: mnist\nlearning_rate:\n",
        [
            "my.yaml: 1 problem",
            "  line 2   learning_rate:    has no value; must be a number, greater than 0",
        ],
    ),
    (
        "lr_list",
        "dataset: mnist\nlearning_rate: [0.1, 0.01]\n",
        [
            "my.yaml: 1 problem",
            "  line 2   learning_rate: [0.1, 0.01]    must be a number, greater than 0",
        ],
    ),
    (
        "epochs_negative",
        "dataset: mnist\nepochs: -1\n",
        [
            "my.yaml: 1 problem",
            "  line 2   epochs: -1    must be at least 0",
        ],
    ),
    (
        "epochs_fraction",
        "dataset: mnist\nepochs: 2.5\n",
        [
            "my.yaml: 1 problem",
            "  line 2   epochs: 2.5    must be a whole number, at least 0",
        ],
    ),
    (
        "batch_zero",
        "dataset: mnist\nbatch_size: 0\n",
        [
            "my.yaml: 1 problem",
            "  line 2   batch_size: 0    must be at least 1, or full",
        ],
    ),
    (
        "batch_text",
        "dataset: mnist\nbatch_size: all\n",
        [
            "my.yaml: 1 problem",
            "  line 2   batch_size: all    must be a whole number, at least 1, or full",
        ],
    ),
    (
        "hidden_empty_item",
        "dataset: mnist\nhidden_sizes: [300, ]\nactivation: [relu, ,]\n",
        [
            "my.yaml: 1 problem",
            "  line 3   activation: [relu, ,]    a bracket is not closed, or a comma is missing or out of place; write [a, b] or {a: 1, b: 2}",
        ],
    ),
    (
        "hidden_null_item",
        "dataset: mnist\nhidden_sizes: [300, null]\n",
        [
            "my.yaml: 1 problem",
            "  line 2   hidden_sizes: [300, null]    item 2: has no value; must be a whole number, at least 1 and at most 1000000",
        ],
    ),
    (
        "hidden_zero",
        "dataset: mnist\nhidden_sizes: [300, 0]\n",
        [
            "my.yaml: 1 problem",
            "  line 2   hidden_sizes: [300, 0]    item 2: must be at least 1 and at most 1000000",
        ],
    ),
    (
        "hidden_scalar",
        "dataset: mnist\nhidden_sizes: 300\n",
        [
            "my.yaml: 1 problem",
            "  line 2   hidden_sizes: 300    must be a list; write [300]",
        ],
    ),
    (
        "hidden_huge",
        "dataset: mnist\nhidden_sizes: [100000000000]\n",
        [
            "my.yaml: 1 problem",
            "  line 2   hidden_sizes: [100000000000]    item 1: must be at least 1 and at most 1000000",
        ],
    ),
    (
        "seed_negative",
        "dataset: mnist\nseed: -1\n",
        [
            "my.yaml: 1 problem",
            "  line 2   seed: -1    must be at least 0 and at most 4294967295",
        ],
    ),
    (
        "seed_large",
        "dataset: mnist\nseed: 4294967296\n",
        [
            "my.yaml: 1 problem",
            "  line 2   seed: 4294967296    must be at least 0 and at most 4294967295",
        ],
    ),
    (
        "dropout_one",
        "dataset: mnist\ndropout: 1\n",
        [
            "my.yaml: 1 problem",
            "  line 2   dropout: 1    must be at least 0 and less than 1",
        ],
    ),
    (
        "dropout_count",
        "dataset: mnist\nhidden_sizes: [8]\ndropout: [0.1, 0.2]\n",
        [
            "my.yaml: 1 problem",
            "  line 3   dropout: [0.1, 0.2]    has 2 values, and hidden_sizes has 1 layer; give one value for all layers, or a list with one for each",
        ],
    ),
    (
        "early_stopping_no_validation",
        "dataset: {name: mnist, validation: 0}\nearly_stopping: true\n",
        [
            "my.yaml: 1 problem",
            "  line 2   early_stopping: true    watches the validation part, and dataset.validation is 0; set aside some rows, or remove early_stopping",
        ],
    ),
    (
        "evaluate_best_no_validation",
        "dataset: {name: mnist, validation: 0}\nevaluate: best\n",
        [
            "my.yaml: 1 problem",
            "  line 2   evaluate: best    best is chosen on the validation part, and dataset.validation is 0; set aside some rows, or write last",
        ],
    ),
    (
        "evaluate_other",
        "dataset: mnist\nevaluate: first\n",
        [
            "my.yaml: 1 problem",
            "  line 2   evaluate: first    must be last or best",
        ],
    ),
    (
        "patience_zero",
        "dataset: mnist\nearly_stopping: {patience: 0}\n",
        [
            "my.yaml: 1 problem",
            "  line 2   early_stopping.patience: 0    must be at least 1",
        ],
    ),
    (
        "monitor",
        "dataset: mnist\nearly_stopping: {monitor: val_acc}\n",
        [
            "my.yaml: 1 problem",
            "  line 2   early_stopping.monitor: val_acc    must be val_loss, val_accuracy or val_r2",
        ],
    ),
    (
        "dtype",
        "dataset: mnist\ndtype: float16\n",
        [
            "my.yaml: 1 problem",
            "  line 2   dtype: float16    must be float32 or float64",
        ],
    ),
    (
        "unsound_name",
        "dataset: {name: mnits, noise: 1, target: x, subset: y}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.name: mnits    unknown dataset; did you mean mnist? (known: mnist, fashion_mnist, kmnist, emnist, notmnist, cifar10, digits, ellipse, blobs, moons, spirals, xor, rings)",
        ],
    ),
    (
        "scalar_optimizer",
        "dataset: ellipse\noptimizer: {name: adamw, beta_1: 0.5}\ndtype: float64\nengine: scalar\n",
        [
            "my.yaml: 1 problem",
            "  line 4   engine: scalar    scalar has sgd and momentum; write optimizer: sgd, or numpy",
        ],
    ),
    (
        "scalar_default_optimizer",
        "dataset: ellipse\nengine: scalar\ndtype: float64\n",
        [
            "my.yaml: 1 problem",
            "  line 2   engine: scalar    scalar has sgd and momentum; write optimizer: sgd, or numpy",
        ],
    ),
    (
        "scalar_float32",
        "dataset: ellipse\noptimizer: sgd\nengine: scalar\n",
        [
            "my.yaml: 1 problem",
            "  line 3   engine: scalar    scalar computes in float64; write dtype: float64 as well",
        ],
    ),
    (
        "scalar_dropout",
        "dataset: ellipse\noptimizer: sgd\ndropout: 0.5\ndtype: float64\nengine: scalar\n",
        [
            "my.yaml: 1 problem",
            "  line 5   engine: scalar    scalar has no dropout; remove dropout, or write numpy",
        ],
    ),
    (
        "name_bad",
        "dataset: mnist\nname: ../x\n",
        [
            "my.yaml: 1 problem",
            "  line 2   name: ../x    must be letters, digits, . _ or -, at most 100, beginning with a letter or digit; write x",
        ],
    ),
    (
        "name_long",
        "dataset: mnist\nname: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
        [
            "my.yaml: 1 problem",
            "  line 2   name: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…    must be letters, digits, . _ or -, at most 100, beginning with a letter or digit; write xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
        ],
    ),
    (
        "l1",
        "dataset: mnist\nl1: -1\n",
        [
            "my.yaml: 1 problem",
            "  line 2   l1: -1    must be at least 0",
        ],
    ),
    (
        "checkpoint_every",
        "dataset: mnist\ncheckpoint_every: 0\n",
        [
            "my.yaml: 1 problem",
            "  line 2   checkpoint_every: 0    must be at least 1",
        ],
    ),
    (
        "bn",
        "dataset: mnist\nbatch_norm: {momentum: 2}\n",
        [
            "my.yaml: 1 problem",
            "  line 2   batch_norm.momentum: 2    must be at least 0 and less than 1",
        ],
    ),
]
