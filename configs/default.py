"""Every field, with the values that a study has if nothing else is said: 8 attributes of drawn faces, three methods.

The other configurations begin with this one. `make demo` is configs/demo.py.

The 8 attributes are what the criteria of mtl/data/attributes.py choose on CelebA's training labels (the same on all
162,770 and on a subset of 8,003; `--job=attributes` prints the figures for the data at hand):
- nothing whose labels were found faulty (Wu et al. 2023: High_Cheekbones, Oval_Face and Pointy_Nose near random; many
  wrong in Mouth_Slightly_Open and No_Beard), nothing that is a judgement (Attractive), nothing that a published network
  predicts hardly better than a guess (Big_Nose, Narrow_Eyes, ...);
- an informative positive rate: 11% (5_o_Clock_Shadow) to 78% (Young) positive;
- spread over the face: Smiling mouth, Male and Young the whole face, Black_Hair and Wavy_Hair hair, Arched_Eyebrows
  eyes, Wearing_Earrings worn, 5_o_Clock_Shadow chin and cheeks;
- spread over difficulty: Smiling and Male are easy, Black_Hair, Wavy_Hair and Young medium, Arched_Eyebrows,
  Wearing_Earrings and 5_o_Clock_Shadow hard;
- little redundancy: no two correlate by more than 0.42 (Male with 5_o_Clock_Shadow).
"""

from ml_collections import ConfigDict

from mtl.dst import EXTENSIONS
from mtl.methods import default_options


def get_config() -> ConfigDict:
    """Every field there is."""
    config = ConfigDict()
    config.method = "joint"  # what --job=train trains: joint, single_task, dst, random_drop, uncertainty, ... (README)
    config.seed = 0  # what --job=train trains it with
    config.variant = ""  # or that of study.variants which it trains

    config.study = study = ConfigDict()
    study.methods = ("joint", "dst", "random_drop")  # what is compared; random_drop needs dst before it
    study.seeds = (0,)  # each method is trained once with each
    study.variants = ConfigDict()  # more names for study.methods: name -> the fields in which it differs
    study.folds = 0  # 5: each seed is 5 runs, tested on a fifth of the people each, numbered seed * 5 + fold
    study.references = ConfigDict()  # name -> the one it is compared with, in place of joint, single_task, random_drop
    # The comparisons that are made, ("dst:joint", "dst:permuted_drop"), fixed before the first run, since p values are
    # corrected over them; (): each method with its reference and with the controls that repeat it
    study.comparisons = ()
    study.margin = 0.3  # differences below it are as good as none, percentage points: for verdicts of equality
    study.plan = ConfigDict()  # what --job=plan takes for known, percentage points
    study.plan.seed_spread = 0.15  # SD over seeds of one method's mean accuracy, apart from what test images add
    study.plan.image_spread = (
        10.0  # SD over images of the difference of two networks; 10 in artifacts/celeba_subset_study
    )
    study.plan.images_per_second = 0.0  # of training steps; 0: a few steps of each method are measured
    study.num_parallel = 1  # runs at once with --launcher=local, in processes that share its threads
    study.ray = ConfigDict()  # what each run asks of the cluster with --launcher=ray, see docs/cluster.md
    study.ray.num_cpus = 1  # and threads of a run
    study.ray.num_gpus = 0.0  # 0.5: two runs on one GPU
    study.ray.resources = ConfigDict()  # others, by the names that the cluster has for them
    study.ray.max_retries = 3  # how often a run goes on elsewhere after its process or its node died

    config.data = data = ConfigDict()
    # faces: drawn here and now; celeba: the real files under data.root, see docs/data.md; of any kinds of tasks: table,
    # which is data.table; drawn, the faces with three; fairface, utkface, mtfl, omniglot, files under data.root; see
    # docs/tables.md
    data.name = "faces"
    data.root = "artifacts/faces"  # folder of the files; drawn faces are written there
    data.table = ""  # of name = "table": a .csv, .tsv or .parquet with a column of images and any columns as tasks
    # ("age=regression", "race=classes", "smiling"): the tasks, with or without their kinds; (): of a table all that are
    # found, of faces data.attributes. ("Hair=Black_Hair|Gray_Hair",) makes one task of binary columns.
    data.tasks = ()
    data.image_column = ""  # of a table; "" is found
    data.split_column = ""  # likewise; "none": a split is drawn
    data.group_column = ""  # of a person, a patient, a site: no group is in two splits; "" is found; or "none"
    data.split_seed = 0  # of a split that is drawn
    data.attributes = (
        "Smiling",
        "Male",
        "Black_Hair",
        "Arched_Eyebrows",
        "Wearing_Earrings",
        "Wavy_Hair",
        "5_o_Clock_Shadow",
        "Young",
    )  # of faces, the tasks, or ("all",)
    data.image_size = 40  # height and width that the network sees, pixels
    data.crop = "square"  # square: the largest centred square; full: the whole image, squeezed, as in published work
    data.flip = True  # mirror half of the training images, drawn at random
    data.max_shift = 2  # shift training images by up to this, each way, pixels
    data.on_bad_image = "fail"  # fail or skip: what a file that cannot be decoded does to the run
    data.cache = "artifacts/cache"  # where decoded pixels are kept
    data.num_workers = 0  # processes that draw, threads that decode; 0: one per core
    data.fold = ""  # "2/5": test on the third of five folds of people, in place of the files' split; see study.folds
    data.num_faces = 2400  # drawn faces, all splits together
    data.faces_seed = 0  # of the drawn faces
    data.label_noise = 0.0  # share of the drawn faces' labels that are flipped
    data.label_fractions = ()  # hide training labels: ("Male=0.25",) leaves a quarter of Male's; the others keep all

    config.model = model = ConfigDict()
    model.backbone = "resnet18"  # resnet18, vgg16, or any other classification network of torchvision
    model.width = 1.0  # every number of channels times this: 0.25 is a slim network for quick studies
    # "": random; a torchvision name such as IMAGENET1K_V1; a file with a state dict, or of safetensors; the
    # folder of an earlier run, or its model folder
    model.weights = ""
    model.reuse_heads = True  # of an earlier run, take the heads too of tasks with the same names and shapes
    model.taps = ()  # where tasks leave the trunk: ("Eyeglasses=layer2", ...); the others at its end
    model.head = "linear"  # linear or mlp
    model.hidden = 64  # width of an mlp head
    # What the heads' last layers begin with, and so DST's V_1: random; zero: V_1 = ln 2; base_rate: weights 0, each
    # bias the logit of the task's share of positives
    model.head_init = "random"

    config.train = train = ConfigDict()
    train.epochs = 6
    train.sizes = ()  # growing images: ("32=3", "64=1") trains 3 epochs on 32 pixels, then 1 on 64; (): on all pixels
    train.batch_size = 64  # images per step
    train.optimizer = "adamw"  # adamw or sgd
    train.learning_rate = 1e-3  # the highest of the schedule
    # Times the schedule's, for some parts of the network: ("heads=10", "layer1=0.1"); others have 1. Parts are heads,
    # the stages of the trunk, and what is before them (conv1 of a ResNet); a mistake gets the names that there are.
    train.learning_rates = ()
    train.freeze = ()  # parts of the trunk that stand still: ("conv1", "layer1"), or ("trunk",) for all of it
    train.momentum = 0.9  # of sgd
    train.weight_decay = 0.01  # decoupled for adamw, L2 for sgd
    train.schedule = "cosine"  # cosine or constant
    train.warmup_epochs = 0.5  # linear rise of the learning rate
    train.precision = "float32"  # of the trunk: float32, bfloat16 (autocast), or auto: the faster, measured for a study
    train.compile = "auto"  # auto: on CUDA only; on; off
    train.sync_batchnorm = False  # under torchrun: statistics of the whole batch, not of each process's images
    train.device = "auto"  # auto: CUDA where there is one; or a device such as cpu, cuda:1
    train.log_every = 20  # steps between lines of metrics.jsonl
    train.tensorboard = False  # an event file beside metrics.jsonl; needs the extra [tensorboard]
    train.mirrored = False  # whether validation and test average the logits of an image and of its mirror image
    train.class_weights = "none"  # none, or balanced: each class weighs as much, however rare it is in training
    train.label_smoothing = 0.0  # of binary tasks and classes: this share of each label goes to all classes alike
    train.regression_loss = "squared"  # squared, l1 or huber, of labels less their mean, in standard deviations
    train.huber_delta = 1.0  # where huber's becomes linear, in standard deviations
    train.checkpoint_seconds = 60.0  # a killed run loses no more than this
    train.on_nonfinite = "stop"  # stop or skip: what a loss or gradient that is not finite does to the run, or its step
    train.max_skips = 10  # steps; one more stops the run

    config.dst = dst = ConfigDict()
    dst.enabled = False  # drop tasks by Algorithm 1 under any other method too; method = dst does it by itself
    dst.weights = ConfigDict()  # lambda of each metric; they sum to 1 (our choice: equal)
    dst.weights.depth = 0.2
    dst.weights.count = 0.2
    dst.weights.incompleteness = 0.2
    dst.weights.stagnancy = 0.2
    dst.weights.regularization = 0.2
    dst.weights.update(dict.fromkeys(EXTENSIONS, 0.0))  # metrics of ours, which the paper has not: agreement, signal
    dst.beta = 0.5  # weight of the newest rate of change (our choice)
    dst.period = "epoch"  # how often gates are drawn: epoch (the paper) or step
    dst.measure = "probe"  # probe: V on fixed training images before each epoch; running: the last epoch's mean loss
    dst.repeats = "dst"  # the run whose rates random_drop, permuted_drop, static_drop or uniform_drop repeats
    # -1: gates follow from method and seed, so that variants of one method share their random numbers; from 0 up: each
    # name draws its own, and another number draws other gates for the same weights and data
    dst.gates_seed = -1
    dst.probe_images = 1024  # rounded down to whole batches
    dst.keep_last = 0  # epochs at the end in which no task is dropped (the paper has none)
    dst.count = "annotated"  # annotated (the paper) or positives (a variant that departs from it)

    config.gradients = gradients = ConfigDict()
    # What balancing methods look at. features: gradients at the shared features, free; parameters: at the trunk's
    # parameters, exact, a pull-back per task; auto: features, or parameters for a method that is nothing without them.
    gradients.level = "auto"
    gradients.every = 1  # steps from one look at the parameters' inner products to the next
    gradients.fraction = 1.0  # share of the batch whose gradients are looked at there

    config.bench = bench = ConfigDict()  # of --job=bench
    # a: training steps; b: per-task gradients; c: images into the step; d: time to accuracy; e: growth
    bench.parts = ("a", "b", "c", "d", "e")
    bench.form = "short"  # short: within 15 minutes on two cores; full: hours
    bench.recipe = "fast"  # the configuration that part d trains against the textbook, on the images of config.data
    bench.folder = "artifacts/benchmarks"  # where results are written, a .json and a .md per device

    # Options, with the papers' values or, where a paper has none, ours; mtl/methods/<method>.py says what they are.
    config.methods = ConfigDict(default_options())
    return config
