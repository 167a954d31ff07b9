"""As in bad_configs.py, with the exact message of each: configs whose data set is wrong, and YAML that is no config."""

BAD = [
    (
        "missing_dataset",
        "epochs: 3\n",
        [
            "my.yaml: 1 problem",
            "  dataset    is required; write dataset: mnist, for one (known: mnist, fashion_mnist, kmnist, emnist, notmnist, cifar10, digits, ellipse, blobs, moons, spirals, xor, rings)",
        ],
    ),
    (
        "unknown_dataset",
        "dataset: mnits\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset: mnits    unknown dataset; did you mean mnist? (known: mnist, fashion_mnist, kmnist, emnist, notmnist, cifar10, digits, ellipse, blobs, moons, spirals, xor, rings)",
        ],
    ),
    (
        "unknown_dataset_far",
        "dataset: imagenet\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset: imagenet    unknown dataset (known: mnist, fashion_mnist, kmnist, emnist, notmnist, cifar10, digits, ellipse, blobs, moons, spirals, xor, rings)",
        ],
    ),
    (
        "dataset_path_like",
        "dataset: data/my.csv\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset: data/my.csv    unknown dataset; for your own data write {path: data/my.csv} (known: mnist, fashion_mnist, kmnist, emnist, notmnist, cifar10, digits, ellipse, blobs, moons, spirals, xor, rings)",
        ],
    ),
    (
        "dataset_both",
        "dataset: {name: mnist, path: x}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.path: x    a dataset has a name or a path, not both; remove one",
        ],
    ),
    (
        "dataset_neither",
        "dataset: {validation: 5}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset: {validation: 5}    has no name and no path; add a name (known: mnist, fashion_mnist, kmnist, emnist, notmnist, cifar10, digits, ellipse, blobs, moons, spirals, xor, rings), or the path of your own data",
        ],
    ),
    (
        "validation_negative",
        "dataset: {name: mnist, validation: -5}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.validation: -5    must be at least 0, or between 0 and 1, or a path",
        ],
    ),
    (
        "validation_one_point_five",
        "dataset: {name: mnist, validation: 1.5}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.validation: 1.5    must be a whole number, at least 0, or between 0 and 1, or a path",
        ],
    ),
    (
        "split",
        "dataset: {name: mnist, split: random}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.split: random    must be stratified, last, official, group, time, vu, ece421 or ece421_handout",
        ],
    ),
    (
        "scale",
        "dataset: {name: mnist, scale: 255}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.scale: 255    must be unit, 256, standard, standard_channel, minmax or none",
        ],
    ),
    (
        "generated_option",
        "dataset: {name: moons, turns: 0.2}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.turns: 0.2    moons does not take it; turns is an option of spirals",
        ],
    ),
    (
        "generated_option_of_files",
        "dataset: {name: mnist, noise: 1}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.noise: 1    mnist does not take it; noise is an option of blobs, moons, spirals, xor and rings",
        ],
    ),
    (
        "generated_option_by_path",
        "dataset: {path: a, rows: 9}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.rows: 9    a set given by path does not take it; rows is an option of ellipse, blobs, moons, spirals, xor and rings",
        ],
    ),
    (
        "generated_range",
        "dataset: {name: moons, noise: -1}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.noise: -1    must be at least 0 and at most 1000000",
        ],
    ),
    (
        "generated_class_count",
        "dataset: {name: rings, class_count: 1}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.class_count: 1    must be at least 2 and at most 100",
        ],
    ),
    (
        "subset",
        "dataset: {name: emnist, subset: leters}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.subset: leters    must be balanced, letters, digits, mnist, byclass or bymerge; did you mean letters?",
        ],
    ),
    (
        "subset_of_none",
        "dataset: {name: mnist, subset: letters}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.subset: letters    mnist does not take it; subset is an option of emnist and notmnist",
        ],
    ),
    (
        "table_target",
        "dataset: {path: a.csv}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset: {path: a.csv}    a table needs a target; add target: COLUMN, the column to predict",
        ],
    ),
    (
        "target_without_table",
        "dataset: {name: mnist, target: price}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.target: price    goes with the path of a table (.csv, .tsv or .parquet) alone",
        ],
    ),
    (
        "drop_without_table",
        "dataset: {path: a.npz, drop: [x]}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.drop: [x]    goes with the path of a table (.csv, .tsv or .parquet) alone",
        ],
    ),
    (
        "drop_text",
        "dataset: {path: a.csv, target: y, drop: x}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.drop: x    must be a list; write [x]",
        ],
    ),
    (
        "drop_twice",
        "dataset: {path: a.csv, target: y, drop: [x, x]}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.drop: [x, x]    has x twice",
        ],
    ),
    (
        "missing",
        "dataset: {path: a.csv, target: y, missing: fill}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.missing: fill    must be error, mean or drop",
        ],
    ),
    (
        "read",
        "dataset:\n  path: a.csv\n  target: y\n  read:\n    sep: ab\n    thousands: .\n    encoding: utf-99\n    header: no\n    skip: 1\n",
        [
            "my.yaml: 5 problems",
            '  line 5   dataset.read.sep: ab             must be one character that stands in no cell, such as ";", or \\s+ for blanks',
            "  line 6   dataset.read.thousands: .        is the decimal point as well; set decimal",
            "  line 7   dataset.read.encoding: utf-99    is no encoding that Python knows; write utf-8, utf-16, cp1252 or another",
            "  line 8   dataset.read.header: no          must be a whole number, at least 0, or infer or none",
            "  line 9   dataset.read.skip: 1             unknown key; known: sep, decimal, thousands, header, na_values, keep_default_na, encoding",
        ],
    ),
    (
        "read_decimal",
        "dataset: {path: a.csv, target: y, read: {decimal: ';', keep_default_na: 0, na_values: x, header: -1}}\n",
        [
            "my.yaml: 4 problems",
            "  line 1   dataset.read.decimal: ';'          must be . or ,",
            "  line 1   dataset.read.header: -1            must be at least 0, or infer or none",
            "  line 1   dataset.read.na_values: x          must be a list; write [x]",
            "  line 1   dataset.read.keep_default_na: 0    must be true or false",
        ],
    ),
    (
        "read_of_no_table",
        "dataset: {path: a.npz, read: {sep: ';'}}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.read: {sep: ';'}    goes with the path of a table (.csv, .tsv or .parquet) alone",
        ],
    ),
    (
        "test_rows_in_a_file",
        "dataset: {path: a.csv, target: y, test: t.csv}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.test: t.csv    must be a number of rows; a file with the test rows goes in test_path: t.csv",
        ],
    ),
    (
        "labels",
        "dataset: {path: a.npz, labels: y.npy}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.labels: y.npy    goes with the path of a .npy file of inputs alone",
        ],
    ),
    (
        "test_path",
        "dataset: {name: mnist, test_path: a}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.test_path: a    goes with a path of your own data alone",
        ],
    ),
    (
        "classes_one",
        "dataset: {name: mnist, classes: [1]}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.classes: [1]    must be a list of 2 or more",
        ],
    ),
    (
        "classes_text",
        "dataset: {name: mnist, classes: 1}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.classes: 1    must be a list; write [1]",
        ],
    ),
    (
        "test_of_a_set_with_one",
        "dataset: {name: mnist, test: 0.1}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.test: 0.1    mnist has a test part of its own; remove test",
        ],
    ),
    (
        "test_with_a_preset",
        "dataset: {name: notmnist, split: ece421, test: 5}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.test: 5    does not go with split: ece421; remove test, or write split: stratified, last, group or time",
        ],
    ),
    (
        "group_without_groups",
        "dataset: {path: a.csv, target: y, split: group}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.split: group    needs groups: COLUMN; it goes with the path of a table (.csv, .tsv or .parquet)",
        ],
    ),
    (
        "time_without_order",
        "dataset:\n  path: a.csv\n  target: y\n  split: time\n",
        [
            "my.yaml: 1 problem",
            "  line 4   dataset.split: time    needs order: COLUMN; it goes with the path of a table (.csv, .tsv or .parquet)",
        ],
    ),
    (
        "rows_one_point_nought",
        "dataset: {path: pictures, validation: 1.0, test: 1.0, limit: 1.0}\n",
        [
            "my.yaml: 3 problems",
            "  line 1   dataset.validation: 1.0    is ambiguous; write 1 for one row, or a fraction less than 1",
            "  line 1   dataset.test: 1.0          is ambiguous; write 1 for one row, or a fraction less than 1",
            "  line 1   dataset.limit: 1.0         is ambiguous; write 1 for one row, or a fraction less than 1",
        ],
    ),
    (
        "order_without_time",
        "dataset: {path: a.csv, target: y, order: day}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset: {path: a.csv, target: y, order: day}    order: day goes with split: time alone; add it, or write "
            "drop: [day]",
        ],
    ),
    (
        "groups_of_arrays",
        "dataset: {path: a.npz, split: group, groups: patient}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.groups: patient    goes with the path of a table (.csv, .tsv or .parquet) alone",
        ],
    ),
    (
        "test_twice",
        "dataset: {path: a, test_path: b, test: 5}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.test: 5    test_path gives the test rows already; remove one",
        ],
    ),
    (
        "validation_path_by_name",
        "dataset: {name: mnist, validation: rows.csv}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.validation: rows.csv    must be a count or a fraction of the rows of mnist; a path goes with a path of your own data",
        ],
    ),
    (
        "validation_path_and_split",
        "dataset: {path: a, split: last, validation: b}\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset.validation: b    is a part of its own, and split: last would choose one; remove split",
        ],
    ),
    (
        "duplicate",
        "dataset: mnist\nepochs: 1\nepochs: 2\n",
        [
            "my.yaml: 1 problem",
            "  line 3   epochs: 2    duplicate key; epochs is on line 2 already",
        ],
    ),
    (
        "empty",
        "",
        [
            "my.yaml: 1 problem",
            "  the file is empty; a config is made of lines like dataset: mnist",
        ],
    ),
    (
        "comment_only",
        "# nothing\n",
        [
            "my.yaml: 1 problem",
            "  the file is empty; a config is made of lines like dataset: mnist",
        ],
    ),
    (
        "list",
        "- dataset: mnist\n",
        [
            "my.yaml: 1 problem",
            "  line 1   [{dataset: mnist}]    is no mapping; a config is made of lines like dataset: mnist, with a space after the colon",
        ],
    ),
    (
        "scalar",
        "mnist\n",
        [
            "my.yaml: 1 problem",
            "  line 1   mnist    is no mapping; a config is made of lines like dataset: mnist, with a space after the colon",
        ],
    ),
    (
        "tab",
        "dataset: mnist\noptimizer:\n\tname: adam\n",
        [
            "my.yaml: 1 problem",
            "  line 3   \\tname: adam    a tab stands where YAML wants spaces; use spaces",
        ],
    ),
    (
        "merge",
        "dataset: mnist\n<<<<<<< HEAD\nepochs: 1\n=======\nepochs: 2\n>>>>>>> x\n",
        [
            "my.yaml: 1 problem",
            "  line 2   <<<<<<< HEAD    a colon is missing or out of place, or the line is indented too far; write key: value",
        ],
    ),
    (
        "anchor",
        "dataset: &a mnist\nname: *a\nepochs: !!int -1\noptimizer:\n  <<: *a\n  name: adm\n",
        [
            "my.yaml: 6 problems",
            "  line 1   dataset: &a mnist      an anchor (&a) is not accepted; remove it",
            "  line 2   name: *a               an alias (*a) is not accepted; write the value out",
            "  line 3   epochs: !!int -1       a tag (text that begins with !) is not accepted; remove it, or put the text in quotes",
            "  line 5   <<: *a                 a merge key (<<) is not accepted; write the keys out",
            "  line 5   <<: *a                 an alias (*a) is not accepted; write the value out",
            "  line 6   optimizer.name: adm    unknown optimizer; did you mean adam?"
            " (known: sgd, momentum, nesterov, rmsprop, adam, adamw, adagrad, adadelta, adamax, nadam, radam, lion)",
        ],
    ),
    (
        "tag",
        "dataset: !!python/object:os.system mnist\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset: !!python/object:os.system mnist    a tag (text that begins with !) is not accepted; remove it, or put the text in quotes",
        ],
    ),
    (
        "unclosed",
        "dataset: mnist\nhidden_sizes: [300, 100\n",
        [
            "my.yaml: 1 problem",
            "  line 2   hidden_sizes: [300, 100    a bracket is not closed, or a comma is missing or out of place; write [a, b] or {a: 1, b: 2}",
        ],
    ),
    (
        "no_space",
        "dataset:mnist\n",
        [
            "my.yaml: 1 problem",
            "  line 1   dataset:mnist    is no mapping; a config is made of lines like dataset: mnist, with a space after the colon",
        ],
    ),
    (
        "two_docs",
        "dataset: mnist\n---\ndataset: mnist\n",
        [
            "my.yaml: 1 problem",
            "  line 2   ---    a second document begins here; a file holds one",
        ],
    ),
    (
        "sexagesimal",
        "dataset: mnist\nepochs: 1:30\n",
        [
            "my.yaml: 1 problem",
            "  line 2   epochs: 1:30    must be a whole number, at least 0",
        ],
    ),
    (
        "octal",
        "dataset: mnist\nepochs: 010\n",
        [
            "my.yaml: 1 problem",
            "  line 2   epochs: 010    must be a whole number, at least 0",
        ],
    ),
    (
        "yes",
        "dataset: mnist\nbatch_norm: yes\n",
        [
            "my.yaml: 1 problem",
            "  line 2   batch_norm: yes    must be true, false or a mapping of momentum or epsilon",
        ],
    ),
    (
        "key_number",
        "dataset: mnist\n3: 4\n",
        [
            "my.yaml: 1 problem",
            "  line 2   3: 4    unknown key; known: name, seed, dataset, augment, features, hidden_sizes, activation, initializer, optimizer, learning_rate, schedule, epochs, batch_size, loss, dropout, input_dropout, batch_norm, layer_norm, gaussian_noise, weight_decay, l1, max_norm, clip_norm, clip_value, label_smoothing, class_weight, mixup, ema, early_stopping, metrics and 6 more",
        ],
    ),
]
