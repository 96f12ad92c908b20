/** A publicly available file with its size and checksum. */
export interface Pinned {
  /** URL at its authors or at the benchmark that includes it. */
  readonly url: string;
  /** Size in bytes. */
  readonly bytes: number;
  /** SHA-256, in hexadecimal. */
  readonly sha256: string;
  /** File name, if it is not an archive to unpack. */
  readonly as?: string;
}

/** The files of a data set; licence and citation are listed with the tasks that use it. */
export interface Download {
  /** Name, as used by the command and the task. */
  readonly name: string;
  /** One archive, or individual files; empty if the files are available on request only. */
  readonly files: readonly Pinned[];
  /** A copy of the user's that is accepted without a known checksum. */
  readonly own?: {
    /** Extension of its files. */
    readonly extension: string;
    /** Which files they are and where they are available. */
    readonly about: string;
  };
}

/** Name of the file. Default: the last part of its URL. */
export function fileName({ url, as }: Pinned): string {
  return as ?? new URL(url).pathname.split("/").at(-1)!;
}

const GLUE = "https://dl.fbaipublicfiles.com/glue/data";
const SENTEVAL = "https://dl.fbaipublicfiles.com/senteval/senteval_data";

/**
 * The data sets that `deno task data` provides, most of them from the paper's section 4.2.
 *
 * Sizes and checksums are from Hugging Face's datasets 1.17.0 (`dataset_infos.json`). TensorFlow Datasets has the same
 * for GLUE, except `qqp`, and for `snli`; other sources confirm `qqp`, `race` and `scitail`. `copa`, `sick` and
 * `winograd` have only this source.
 */
export const downloads: readonly Download[] = [
  {
    name: "sst2",
    files: [{
      url: `${GLUE}/SST-2.zip`,
      bytes: 7439277,
      sha256: "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
    }],
  },
  {
    name: "cola",
    files: [{
      url: `${GLUE}/CoLA.zip`,
      bytes: 376971,
      sha256: "f212fcd832b8f7b435fb991f101abf89f96b933ab400603bf198960dfc32cbff",
    }],
  },
  {
    name: "mrpc",
    files: [
      {
        url: `${SENTEVAL}/msr_paraphrase_train.txt`,
        bytes: 1047044,
        sha256: "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89",
        as: "msr_paraphrase_train.txt",
      },
      {
        url: `${SENTEVAL}/msr_paraphrase_test.txt`,
        bytes: 441275,
        sha256: "a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784",
        as: "msr_paraphrase_test.txt",
      },
      {
        url: `${GLUE}/mrpc_dev_ids.tsv`,
        bytes: 6222,
        sha256: "971d7767d81b997fd9060ade0ec23c4fc31cbb226a55d1bd4a1bac474eb81dc7",
        as: "mrpc_dev_ids.tsv",
      },
    ],
  },
  {
    name: "stsb",
    files: [{
      url: `${GLUE}/STS-B.zip`,
      bytes: 802872,
      sha256: "e60a6393de5a8b5b9bac5020a1554b54e3691f9d600b775bd131e613ac179c85",
    }],
  },
  {
    name: "qqp",
    files: [{
      url: `${GLUE}/QQP-clean.zip`,
      bytes: 41696084,
      sha256: "40e7c862c04eb26ee04b67fd900e76c45c6ba8e6d8fab4f8f1f8072a1a3fbae0",
    }],
  },
  {
    name: "mnli",
    files: [{
      url: `${GLUE}/MNLI.zip`,
      bytes: 312783507,
      sha256: "e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633",
    }],
  },
  {
    name: "qnli",
    files: [{
      url: `${GLUE}/QNLIv2.zip`,
      bytes: 10627589,
      sha256: "e634e78627a29adaecd4f955359b22bf5e70f2cbd93b493f2d624138a0c0e5f5",
    }],
  },
  {
    name: "rte",
    files: [{
      url: `${GLUE}/RTE.zip`,
      bytes: 697150,
      sha256: "6bf86de103ecd335f3441bd43574d23fef87ecc695977a63b82d5efb206556ee",
    }],
  },
  {
    name: "wnli",
    files: [{
      url: `${GLUE}/WNLI.zip`,
      bytes: 28999,
      sha256: "ae0e8e4d16f4d46d4a0a566ec7ecceccfd3fbfaa4a7a4b4e02848c0f2561ac46",
    }],
  },
  {
    name: "snli",
    files: [{
      url: "https://nlp.stanford.edu/projects/snli/snli_1.0.zip",
      bytes: 94550081,
      sha256: "afb3d70a5af5d8de0d9d81e2637e0fb8c22d1235c2749d83125ca43dab0dbd3e",
    }],
  },
  {
    name: "scitail",
    files: [{
      url: "http://data.allenai.org.s3.amazonaws.com/downloads/SciTailV1.1.zip",
      bytes: 14174621,
      sha256: "3fccd37350a94ca280b75998568df85fc2fc62843a3198d644fcbf858e6943d5",
    }],
  },
  {
    name: "sick",
    files: [{
      url: "https://zenodo.org/record/2787612/files/SICK.zip?download=1",
      bytes: 217584,
      sha256: "da272af924399fc2de4889ed55383e38822c10d16c4a949a89d597d09a0b7912",
    }],
  },
  {
    name: "race",
    files: [{
      url: "http://www.cs.cmu.edu/~glai1/data/race/RACE.tar.gz",
      bytes: 25443609,
      sha256: "b2769cc9fdc5c546a693300eb9a966cec6870bd349fbc44ed5225f8ad33006e5",
    }],
  },
  {
    name: "copa",
    files: [{
      url: "https://dl.fbaipublicfiles.com/glue/superglue/data/v2/COPA.zip",
      bytes: 43986,
      sha256: "405906cddac74bc1e1ce8220f1107d1025b66a25ef10149d91b10bb30651125f",
    }],
    own: {
      extension: ".xml",
      about: "the original's copa-dev.xml and copa-test.xml, from people.ict.usc.edu/~gordon/copa.html",
    },
  },
  {
    name: "winograd",
    files: [{
      url: "https://cs.nyu.edu/faculty/davise/papers/WinogradSchemas/WSCollection.xml",
      bytes: 113235,
      sha256: "98c845a5b33c109f2c49742e726fac592bbb1fdc3b3706b604de12f9c9f58c91",
      as: "WSCollection.xml",
    }],
  },
  {
    name: "story-cloze",
    files: [],
    own: {
      extension: ".csv",
      about:
        "the files that its authors send on request, after the form on cs.rochester.edu/nlp/rocstories, " +
        'such as "cloze_test_val__spring2016 - cloze_test_ALL_val.csv"',
    },
  },
];
