/**
 * The benchmarks of the paper's section 4 and some others as a table: the question of each, the files of its official
 * release, and the names of their columns.
 */
import { quoted } from "../../errors.ts";
import { hash } from "../hash.ts";
import type { Split, Task, TaskEntry } from "../task.ts";
import { csv, entry, json, jsonLines, type Reader, refuse, tsv, xml } from "./readers.ts";

/** A benchmark: a row of {@linkcode benchmarks}. */
export interface Benchmark extends TaskEntry, Pick<Task, "labels" | "measures" | "zeroShot"> {
  /** Citation. */
  readonly citation: string;
  /** The known layouts of the files, the preferred one first. */
  readonly layouts: readonly Layout[];
  /** Default number of words kept from the end of the first part of a context. */
  readonly words?: number;
}

/** A layout of a benchmark's files. */
export interface Layout {
  /**
   * The files of each split, with the folders of the official archive; a trailing slash means the `.txt` files in a
   * folder.
   */
  readonly files: Readonly<Partial<Record<Split, readonly string[]>>>;
  /** Reader of the files. */
  readonly read: Reader;
  /** The part or parts of an entry for each field: joined to one text, or a list of texts. */
  readonly fields: Readonly<Record<string, string | readonly string[]>>;
  /** The part with the label. */
  readonly label: string;
  /** The file's value of each label, in order; or its value of grade 0. */
  readonly values: readonly string[] | number;
  /** The label of entries that are skipped, as annotators did not agree or the line is broken. */
  readonly drop?: string;
  /** The part with the split of an entry, if one file has several splits; `own` is that of the file. */
  readonly split?: { readonly part: string; of(value: string): Split | "own" | undefined };
  /** A file that lists which training entries are the validation split, and the parts that identify them. */
  readonly validationList?: { readonly file: string; readonly parts: readonly string[] };
  /** The validation split is one in so many training examples, if there is neither a file nor a list. */
  readonly oneIn?: number;
  /** Training examples are sentences and phrases of these: validation is sentences, and their phrases do not train. */
  readonly phrases?: true;
  /** How the splits were made, in a sentence. */
  readonly splits: string;
}

const OFFICIAL = "The splits are the official ones.";
const GLUE_TEST =
  "Test is the official development set, as the labels of the official test set are not public";
const GLUE = {
  oneIn: 20,
  splits: `${GLUE_TEST}; validation is a twentieth of the official training set, sampled by hash.`,
} as const;
const GLUE_PAPER =
  "Wang et al. 2019, GLUE: A multi-task benchmark and analysis platform for natural language " +
  "understanding, ICLR";

/** A file of GLUE whose first line names the columns. */
const glue = (
  folder: string,
  fields: Layout["fields"],
  label: string,
  values: Layout["values"],
  dev = "dev.tsv",
): Layout => ({
  ...GLUE,
  files: { train: [`${folder}/train.tsv`], test: [`${folder}/${dev}`] },
  read: tsv(),
  fields,
  label,
  values,
});

/** A file for each official split. */
const threeFiles = (name: (split: string) => string) => ({
  files: { train: [name("train")], validation: [name("dev")], test: [name("test")] },
  splits: OFFICIAL,
});

const PAIR = { premise: "sentence1", hypothesis: "sentence2" };
const ENTAILMENT = ["entailment", "neutral", "contradiction"];
const TWO_WAY = ["entailment", "not_entailment"];

const mrpc = {
  read: tsv(),
  fields: { first: "#1 String", second: "#2 String" },
  label: "Quality",
  values: ["0", "1"],
};

/** MNLI has two development sets: of the training set's genres (matched) and of others. */
const mnli = (set: "matched" | "mismatched") =>
  ({
    kind: "entailment",
    licence: "that of the Open American National Corpus; fiction partly CC BY 3.0 and CC BY-SA 3.0",
    citation: "Williams, Nangia, Bowman 2018, A broad-coverage challenge corpus for sentence understanding " +
      "through inference, NAACL",
    megabytes: 312.8,
    labels: ENTAILMENT,
    measures: ["accuracy"],
    layouts: [
      { ...glue("MNLI", PAIR, "gold_label", ENTAILMENT, `dev_${set}.tsv`), drop: "-" },
      {
        ...GLUE,
        files: {
          train: ["multinli_1.0/multinli_1.0_train.jsonl"],
          test: [`multinli_1.0/multinli_1.0_dev_${set}.jsonl`],
        },
        read: jsonLines,
        fields: PAIR,
        label: "gold_label",
        values: ENTAILMENT,
        drop: "-",
      },
    ],
  }) as const satisfies Partial<Benchmark>;

/** SICK has a class and a grade for each pair of sentences; its release is in one or in three files. */
const sick = (fields: Layout["fields"], labels: readonly [string, string], values: Layout["values"]) =>
  ({
    licence: "CC BY-NC-SA 3.0",
    citation:
      "Marelli et al. 2014, A SICK cure for the evaluation of compositional distributional semantic " +
      "models, LREC",
    megabytes: 0.2,
    layouts: [
      {
        files: { train: ["SICK/SICK.txt"] },
        read: tsv(),
        fields,
        label: labels[0],
        values,
        split: {
          part: "SemEval_set",
          of: (set: string) =>
            new Map<string, Split>([["TRAIN", "train"], ["TRIAL", "validation"], ["TEST", "test"]]).get(set),
        },
        splits: OFFICIAL,
      },
      {
        files: {
          train: ["SICK/SICK_train.txt"],
          validation: ["SICK/SICK_trial.txt"],
          test: ["SICK/SICK_test_annotated.txt"],
        },
        read: tsv(),
        fields,
        label: labels[1],
        values,
        splits: OFFICIAL,
      },
    ],
  }) as const satisfies Partial<Benchmark>;

/** A file of RACE is a passage with several questions. */
const race: Reader = function* (bytes, file) {
  const value = json(bytes, file);
  const { article, questions, options, answers } = value instanceof Object
    ? value as Record<string, unknown>
    : {};
  const [q, o, a] = [questions, options, answers].map((part) => Array.isArray(part) ? part : []);
  if (!q?.length || q.length !== o?.length || q.length !== a?.length) {
    refuse(
      file,
      "line 1",
      `it must have equal numbers of questions, options and answers, at least 1: current numbers are ${q?.length}, ` +
        `${o?.length} and ${a?.length}`,
    );
  }
  for (const [i, question] of q.entries()) {
    yield entry({ article, question, choices: o[i], answer: a[i] }, file, `question ${i + 1}`);
  }
};

/** COPA asks for a cause or an effect: the context ends with the corresponding conjunction. */
const causal = (read: Reader): Reader =>
  function* (bytes, file) {
    for (const one of read(bytes, file)) {
      const question = one.get("question");
      if (question !== "cause" && question !== "effect") {
        one.refuse(`its question must be cause or effect: current one is ${quoted(question)}`);
      }
      const context = (premise: string) =>
        premise && `${premise.replace(/\.$/, "")} ${question === "cause" ? "because" : "so"}`;
      yield {
        ...one,
        get: (name) => name === "context" ? context(String(one.get("premise"))) : one.get(name),
      };
    }
  };

const copaItems: Reader = function* (bytes, file) {
  for (const { at, attributes, texts } of xml(bytes, file, "item")) {
    const item = {
      id: attributes["id"],
      question: attributes["asks-for"],
      label: attributes["most-plausible-alternative"],
      premise: texts("p")[0],
      choice1: texts("a1")[0],
      choice2: texts("a2")[0],
    };
    yield entry(item, file, at);
  }
};

/**
 * A Winograd schema with the pronoun replaced by each referent. Successive schemas with a common referent are one
 * family: they differ in a word or two.
 */
const schemas: Reader = function* (bytes, file) {
  let [family, before]: [string, readonly string[]] = ["", []];
  for (const { at, texts } of xml(bytes, file, "schema")) {
    const answers = texts("answers/answer");
    const names = answers.map((name) => name.toLowerCase());
    const [start = "", pronoun = "", rest = ""] = ["txt1", "pron", "txt2"].map((tag) =>
      texts(`text/${tag}`)[0]
    );
    if (!names.some((name) => before.includes(name))) family = `${start} ${rest}`;
    before = names;
    const choices = answers.map((name) => {
      // A referent may be as in the text: "Ann's".
      const own = /^(his|her|its|their)$/i.test(pronoun) ? "'s" : "";
      return `${name.replace(/'s$/, "")}${own}${/^[.,;:!?]/.test(rest) ? "" : " "}${rest}`;
    });
    const label = texts("correctAnswer")[0]?.replace(/\.$/, "");
    yield entry({ family, start, choices: rest === "" ? undefined : choices, label }, file, at);
  }
};

/** The benchmarks that {@linkcode task} reads from files. */
export const benchmarks: readonly Benchmark[] = [
  {
    name: "sst2",
    kind: "classification",
    about: "Is a phrase of a film review positive?",
    licence: "no explicit one; released by Stanford for research",
    citation:
      `Socher et al. 2013, Recursive deep models for semantic compositionality over a sentiment treebank, ` +
      `EMNLP; ${GLUE_PAPER}`,
    megabytes: 7.4,
    labels: ["negative", "positive"],
    measures: ["accuracy"],
    zeroShot: { by: "word", prompt: "very", words: ["negative", "positive"] },
    layouts: [{
      ...glue("SST-2", { text: "sentence" }, "label", ["0", "1"]),
      oneIn: 10,
      phrases: true,
      splits:
        `${GLUE_TEST}; validation is a tenth of the sentences of the official training set, sampled by hash, and ` +
        "phrases that are in no other sentence are left out of training.",
    }],
  },
  {
    name: "cola",
    kind: "classification",
    about: "Is a sentence acceptable English?",
    licence: "sentences of linguistic publications, as fair use",
    citation: `Warstadt, Singh, Bowman 2019, Neural network acceptability judgments, TACL; ${GLUE_PAPER}`,
    megabytes: 0.4,
    labels: ["unacceptable", "acceptable"],
    measures: ["matthews"],
    zeroShot: { by: "acceptability" },
    layouts: [
      { train: ["CoLA/train.tsv"], test: ["CoLA/dev.tsv"] },
      {
        train: ["cola_public/raw/in_domain_train.tsv"],
        test: ["cola_public/raw/in_domain_dev.tsv", "cola_public/raw/out_of_domain_dev.tsv"],
      },
    ].map((files) => ({
      ...GLUE,
      files,
      read: tsv(["source", "label", "mark", "sentence"]),
      fields: { text: "sentence" },
      label: "label",
      values: ["0", "1"],
    })),
  },
  {
    name: "mrpc",
    kind: "similarity",
    about: "Do two sentences from the news have the same meaning?",
    licence: "Microsoft's terms, for research",
    citation: "Dolan, Brockett 2005, Automatically constructing a corpus of sentential paraphrases, IWP; " +
      GLUE_PAPER,
    megabytes: 1.5,
    labels: ["different", "same"],
    measures: ["f1", "accuracy"],
    layouts: [
      {
        ...mrpc,
        files: { train: ["MRPC/msr_paraphrase_train.txt"], test: ["MRPC/msr_paraphrase_test.txt"] },
        validationList: { file: "MRPC/mrpc_dev_ids.tsv", parts: ["#1 ID", "#2 ID"] },
        splits: "The splits are those of GLUE, with the test set of the original.",
      },
      {
        ...mrpc,
        ...GLUE,
        files: { train: ["MRPC/train.tsv"], test: ["MRPC/dev.tsv"] },
      },
    ],
  },
  {
    name: "stsb",
    kind: "similarity",
    about: "How similar in meaning are two sentences, from 0 to 5?",
    licence: "CC BY-SA 4.0 and the licences of its parts",
    citation:
      "Cer et al. 2017, SemEval-2017 task 1: Semantic textual similarity multilingual and crosslingual " +
      `focused evaluation; ${GLUE_PAPER}`,
    megabytes: 0.8,
    labels: ["0", "1", "2", "3", "4", "5"],
    measures: ["pearson", "spearman"],
    layouts: [
      threeFiles((split) => `STS-B/original/sts-${split}.tsv`),
      threeFiles((split) => `stsbenchmark/sts-${split}.csv`), // tab-separated despite the extension
    ].map((files): Layout => ({
      ...files,
      read: tsv(["genre", "file", "year", "id", "score", "sentence1", "sentence2"], { most: 9 }),
      fields: { first: "sentence1", second: "sentence2" },
      label: "score",
      values: 0,
    })).concat(glue("STS-B", { first: "sentence1", second: "sentence2" }, "score", 0)),
  },
  {
    name: "qqp",
    kind: "similarity",
    about: "Do two questions on Quora have the same meaning?",
    licence: "Quora's terms of service, non-commercial",
    citation: `Iyer, Dandekar, Csernai 2017, First Quora dataset release: Question pairs; ${GLUE_PAPER}`,
    megabytes: 41.7,
    labels: ["different", "same"],
    measures: ["f1", "accuracy"],
    layouts: [{
      ...glue("QQP", { first: "question1", second: "question2" }, "is_duplicate", ["0", "1"]),
      read: tsv(undefined, { brokenAsEmpty: true }), // a few official lines break within a question
      drop: "",
    }],
  },
  {
    ...mnli("matched"),
    name: "mnli",
    about: "Does a sentence follow from another, contradict it, or neither, in genres of the training set?",
  },
  {
    ...mnli("mismatched"),
    name: "mnli-mismatched",
    about:
      "Does a sentence follow from another, contradict it, or neither, in genres not in the training set?",
    archive: "mnli",
  },
  {
    name: "qnli",
    kind: "entailment",
    about: "Does a sentence from Wikipedia contain the answer to a question?",
    licence: "CC BY-SA 4.0",
    citation: "Rajpurkar et al. 2016, SQuAD: 100,000+ questions for machine comprehension of text, EMNLP; " +
      GLUE_PAPER,
    megabytes: 10.6,
    labels: ["yes", "no"],
    measures: ["accuracy"],
    layouts: [glue("QNLI", { premise: "question", hypothesis: "sentence" }, "label", TWO_WAY)],
  },
  {
    name: "rte",
    kind: "entailment",
    about: "Does a sentence follow from a text from the news or Wikipedia?",
    licence: "no explicit one; released by PASCAL and NIST for research",
    citation:
      "Dagan, Glickman, Magnini 2006; Bar Haim et al. 2006; Giampiccolo et al. 2007; Bentivogli et al. " +
      `2009, The PASCAL recognising textual entailment challenges; ${GLUE_PAPER}`,
    megabytes: 0.7,
    labels: ["entailment", "not entailment"],
    measures: ["accuracy"],
    layouts: [glue("RTE", PAIR, "label", TWO_WAY)],
  },
  {
    name: "wnli",
    kind: "entailment",
    about: "Does a sentence with the pronoun replaced follow from a Winograd schema?",
    licence: "CC BY 4.0",
    citation: `Levesque, Davis, Morgenstern 2012, The Winograd schema challenge, KR; ${GLUE_PAPER}`,
    megabytes: 0.1,
    labels: ["not entailment", "entailment"],
    measures: ["accuracy"],
    layouts: [glue("WNLI", PAIR, "label", ["0", "1"])],
  },
  {
    name: "snli",
    kind: "entailment",
    about: "Does a sentence follow from a picture's caption, contradict it, or neither?",
    licence: "CC BY-SA 4.0",
    citation: "Bowman et al. 2015, A large annotated corpus for learning natural language inference, EMNLP",
    megabytes: 94.6,
    labels: ENTAILMENT,
    measures: ["accuracy"],
    layouts: ([["jsonl", jsonLines], ["txt", tsv(undefined, { least: 10 })]] as const).map((
      [extension, read],
    ) => ({
      ...threeFiles((split) => `snli_1.0/snli_1.0_${split}.${extension}`),
      read,
      fields: PAIR,
      label: "gold_label",
      values: ENTAILMENT,
      drop: "-",
    })),
  },
  {
    name: "scitail",
    kind: "entailment",
    about: "Does a sentence from a textbook or the web entail an answer to a science question?",
    licence: "Apache 2.0, as its card at Hugging Face says",
    citation: "Khot, Sabharwal, Clark 2018, SciTail: A textual entailment dataset from science question " +
      "answering, AAAI",
    megabytes: 14.2,
    labels: ["entailment", "neutral"],
    measures: ["accuracy"],
    layouts: [
      {
        ...threeFiles((split) => `SciTailV1.1/tsv_format/scitail_1.0_${split}.tsv`),
        read: tsv(["premise", "hypothesis", "label"]),
        fields: { premise: "premise", hypothesis: "hypothesis" },
        label: "label",
        values: ["entails", "neutral"],
      },
      {
        ...threeFiles((split) => `SciTailV1.1/snli_format/scitail_1.0_${split}.txt`),
        read: jsonLines,
        fields: PAIR,
        label: "gold_label",
        values: ["entailment", "neutral"],
      },
    ],
  },
  {
    ...sick(
      { premise: "sentence_A", hypothesis: "sentence_B" },
      ["entailment_label", "entailment_judgment"],
      ENTAILMENT.map((label) => label.toUpperCase()),
    ),
    name: "sick",
    kind: "entailment",
    about: "Does a simple sentence follow from another, contradict it, or neither?",
    labels: ENTAILMENT,
    measures: ["accuracy"],
  },
  {
    ...sick(
      { first: "sentence_A", second: "sentence_B" },
      ["relatedness_score", "relatedness_score"],
      1,
    ),
    name: "sick-relatedness",
    kind: "similarity",
    about: "How related are two simple sentences, from 1 to 5?",
    archive: "sick",
    labels: ["1", "2", "3", "4", "5"],
    measures: ["pearson", "spearman"],
  },
  {
    name: "race",
    kind: "choice",
    about: "Which of four answers to a question in a school English exam is correct?",
    licence: "non-commercial research only",
    citation: "Lai et al. 2017, RACE: Large-scale reading comprehension dataset from examinations, EMNLP",
    megabytes: 25.4,
    labels: ["A", "B", "C", "D"],
    measures: ["accuracy"],
    zeroShot: { by: "choice" },
    words: 180,
    layouts: [{
      files: Object.fromEntries(
        [["train", "train"], ["validation", "dev"], ["test", "test"]]
          .map(([split = "", name]) => [split, [`RACE/${name}/middle/`, `RACE/${name}/high/`]]),
      ),
      read: race,
      fields: { context: ["article", "question"], choices: "choices" },
      label: "answer",
      values: ["A", "B", "C", "D"],
      splits: OFFICIAL,
    }],
  },
  {
    name: "copa",
    kind: "choice",
    about: "Which of two sentences is the more plausible cause or effect of another?",
    licence: "BSD 2-Clause",
    citation:
      "Roemmele, Bejan, Gordon 2011, Choice of plausible alternatives: An evaluation of commonsense " +
      "causal reasoning, AAAI Spring Symposium",
    megabytes: 0.1,
    labels: ["first", "second"],
    measures: ["accuracy"],
    zeroShot: { by: "choice" },
    layouts: [
      {
        files: {
          train: ["COPA-resources/datasets/copa-dev.xml"],
          test: ["COPA-resources/datasets/copa-test.xml"],
        },
        read: causal(copaItems),
        fields: { context: "context", choices: ["choice1", "choice2"] },
        label: "label",
        values: ["1", "2"],
        split: {
          part: "id",
          of: (id) => !/^\d{1,4}$/.test(id) ? undefined : +id > 400 && +id <= 500 ? "validation" : "own",
        },
        splits:
          "Validation is the last fifth of the official development set, as in SuperGLUE, train the rest; " +
          "questions with the same context or the same choices are in the same one.",
      },
      {
        ...GLUE,
        files: { train: ["COPA/train.jsonl"], test: ["COPA/val.jsonl"] },
        read: causal(jsonLines),
        fields: { context: "context", choices: ["choice1", "choice2"] },
        label: "label",
        values: ["0", "1"],
      },
    ],
  },
  {
    name: "story-cloze",
    kind: "choice",
    about: "Which of two sentences is the correct ending of a story, given its first four?",
    licence: "for research, on request; redistribution is not allowed",
    form: "https://cs.rochester.edu/nlp/rocstories/",
    citation:
      "Mostafazadeh et al. 2016, A corpus and cloze evaluation for deeper understanding of commonsense " +
      "stories, NAACL",
    megabytes: 0,
    labels: ["first", "second"],
    measures: ["accuracy"],
    zeroShot: { by: "choice" },
    layouts: [
      [
        "cloze_test_val__spring2016 - cloze_test_ALL_val.csv",
        "cloze_test_test__spring2016 - cloze_test_ALL_test.csv",
      ],
      ["cloze_test_val__spring2016.csv", "cloze_test_test__spring2016.csv"],
    ].map(([train = "", test = ""]) => ({
      files: { train: [train], test: [test] },
      read: csv,
      fields: {
        context: [1, 2, 3, 4].map((n) => `InputSentence${n}`),
        choices: [1, 2].map((n) => `RandomFifthSentenceQuiz${n}`),
      },
      label: "AnswerRightEnding",
      values: ["1", "2"],
      oneIn: 5,
      splits:
        "Train and validation are the official validation set of spring 2016, as in the paper's code, a " +
        "fifth for validation, sampled by hash; test is the official test set of spring 2016.",
    })),
  },
  {
    name: "winograd",
    kind: "choice",
    about: "Which of two persons or things does a pronoun refer to?",
    licence: "CC BY 4.0",
    citation: "Levesque, Davis, Morgenstern 2012, The Winograd schema challenge, KR",
    megabytes: 0.1,
    labels: ["first", "second"],
    measures: ["accuracy"],
    zeroShot: { by: "ending" },
    layouts: [{
      files: { train: ["WSCollection.xml"] },
      read: schemas,
      fields: { context: "start", choices: "choices" },
      label: "label",
      values: ["A", "B"],
      split: {
        part: "family",
        of: (family) => (["train", "validation"] as const)[hash(family) % 10] ?? "test",
      },
      splits:
        "There are no official ones and no training set: about a tenth each is train and validation by a " +
        "hash that keeps variants of a schema together.",
    }],
  },
];
