"use strict";
(() => {
  const ROWS = matchMedia("(max-width: 700px)").matches ? 20 : 100; // shown at once
  document.documentElement.classList.add("js");

  // "97.59 ± 0.12", "−1.5·10⁻⁹", "238,510", "< 0.001", "4/5": the number that a cell begins with.
  const numberOf = (text) => {
    const plain = text.replace(/[⁰¹²³⁴⁵⁶⁷⁸⁹]/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(digit)).replace(/·10(⁻?)/, (_, sign) => (sign ? "e-" : "e"));
    return parseFloat(plain.replace(/[<\s]/g, "").replace("−", "-").replace(/,(?=\d{3})/g, ""));
  };

  // Lists such as "[300, 100]" by their numbers, element by element; all other texts by their letters.
  const inOrder = (left, right) => {
    const [one, other] = [left, right].map((text) => /^\[[-+\d.e, ]*\]$/.test(text) && (text.match(/[^[\], ]+/g) || []).map(Number));
    if (!one || !other) return left < right ? -1 : left > right ? 1 : 0;
    const place = one.findIndex((value, index) => value !== other[index]);
    return place < 0 || place >= other.length ? one.length - other.length : one[place] - other[place];
  };

  // `key<3`, `key>=3`, `key=adam`, `key!=adam` compare a column; any other word must be in one of the cells. An accuracy is a
  // fraction, as everywhere else, or has a percent sign.
  const condition = (word, keys, wrong) => {
    const found = /^([^<>=!]+)(<=|>=|!=|<|>|=)(.+)$/.exec(word);
    if (!found || !keys.includes(found[1])) {
      if (found) wrong.push(`there is no column ${found[1]}, only ${keys.join(", ")}`);
      return (cells) => cells.some((cell) => cell.text.includes(word));
    }
    const [, key, sign, wanted] = found;
    let size = numberOf(wanted);
    if (key.endsWith("accuracy") && !wanted.endsWith("%")) {
      if (size > 1) {
        wrong.push(`an accuracy is at most 1: write ${key}${sign}${size / 100} or ${key}${sign}${size}%`);
        return () => false;
      }
      size = Number((100 * size).toPrecision(12));
    }
    return (cells) => cells.some((cell) => {
      if (cell.key !== key) return false;
      const value = cell.number;
      const same = Number.isNaN(size) || Number.isNaN(value) ? cell.text.replace(/\s/g, "") === wanted : value === size || cell.shown === size;
      return { "=": same, "!=": !same, "<": value < size, ">": value > size, "<=": value <= size, ">=": value >= size }[sign];
    });
  };

  // A filter is words that all must hold, `not` in front of one turns it round, `or` joins such filters.
  const filterOf = (text, keys) => {
    const wrong = [];
    const parts = [[]];
    let negated = false;
    for (const word of text.toLowerCase().replace(/\s*([<>=!]+)\s*/g, "$1").split(/\s+/)) {
      if (word === "or") parts.push([]);
      else if (word === "not") negated = !negated;
      else if (word && word !== "and") {
        const test = condition(word, keys, wrong);
        parts.at(-1).push(negated ? (cells) => !test(cells) : test);
        negated = false;
      }
    }
    const said = parts.filter((tests) => tests.length);
    return { wrong, test: (cells) => !said.length || said.some((tests) => tests.every((test) => test(cells))) };
  };

  const dialog = document.querySelector("dialog");

  const open = (link) => {
    const sheet = document.getElementById(link.hash.slice(1));
    const shared = sheet.closest("section").querySelector(".shared");
    const copy = sheet.cloneNode(true);
    copy.removeAttribute("id");
    const heading = document.createElement("h2");
    heading.textContent = sheet.closest("details").querySelector("bdi").textContent;
    const settings = shared.cloneNode(true);
    settings.open = false;
    dialog.querySelector(".content").replaceChildren(heading, copy, settings);
    link.focus({ preventScroll: true }); // closing gives the focus back to where it was, at once
    dialog.showModal();
    dialog.scrollTop = 0;
  };
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

  // What a reader has set, by section, is kept in the address: a page that reloads itself stays as it was.
  const kept = new URLSearchParams(location.hash.slice(1));
  const keep = (name, value) => {
    if (value) kept.set(name, value);
    else kept.delete(name);
    history.replaceState(null, "", [...kept].length ? `#${kept}` : location.pathname + location.search);
  };

  for (const section of document.querySelectorAll("main section")) {
    const table = section.querySelector("table.main");
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const keys = heads.map((head) => head.dataset.key.toLowerCase());
    const rows = [...body.rows].map((row, index) => ({
      row, index, shown: true,
      cells: [...row.cells].map((cell, column) => {
        const text = (cell.firstElementChild && cell.firstElementChild.matches("a") ? cell : cell.firstChild || cell).textContent.trim();
        const shown = numberOf(text);
        return { text: text.toLowerCase(), key: keys[column], shown, number: cell.dataset.value ? Number(cell.dataset.value) : shown };
      }),
    }));
    const status = section.querySelector("[role=status]");
    const more = section.querySelector(".more");
    let limit = ROWS;
    let order = rows;
    let wrong = [];

    const draw = () => {
      const kept = order.filter((each) => each.shown);
      const visible = kept.slice(0, limit);
      body.replaceChildren(...visible.map((each) => each.row));
      const all = rows.length.toLocaleString("en");
      status.textContent = `${kept.length === rows.length ? "" : `${kept.length.toLocaleString("en")} of `}${all} configurations`;
      if (wrong.length && !kept.length) status.textContent += `; ${wrong[0]}`;
      more.hidden = visible.length === kept.length;
      more.firstElementChild.textContent = `Show all ${kept.length.toLocaleString("en")}`;
    };

    more.firstElementChild.addEventListener("click", () => {
      limit = Infinity;
      draw();
    });

    const input = section.querySelector("input");
    input.addEventListener("input", () => {
      const filter = filterOf(input.value, keys);
      wrong = filter.wrong;
      for (const each of rows) each.shown = filter.test(each.cells);
      keep(`${section.id}-filter`, input.value);
      draw();
    });

    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", direction);
        const sign = direction === "ascending" ? 1 : -1;
        order = [...rows].sort((a, b) => {
          const left = a.cells[column], right = b.cells[column];
          const gone = (cell) => cell.text === "" || cell.text === "–";
          if (gone(left) !== gone(right)) return gone(left) ? 1 : -1; // what is missing comes last either way
          const numeric = !Number.isNaN(left.number) && !Number.isNaN(right.number);
          const difference = numeric ? left.number - right.number : inOrder(left.text, right.text);
          return sign * difference || a.index - b.index;
        });
        keep(`${section.id}-sort`, `${direction === "ascending" ? "" : "-"}${keys[column]}`);
        draw();
      });
    });

    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (!row || event.ctrlKey || event.metaKey || (!event.target.closest("a") && String(getSelection()))) return;
      event.preventDefault();
      open(row.querySelector("a"));
    });

    section.querySelector(".tools").hidden = rows.length < 2; // nothing to filter
    draw();
    const sorted = kept.get(`${section.id}-sort`) || "";
    const sorting = heads[keys.indexOf(sorted.replace("-", ""))];
    if (sorting) for (let click = 0; click < (sorted.startsWith("-") ? 2 : 1); click += 1) sorting.firstElementChild.click();
    input.value = kept.get(`${section.id}-filter`) || "";
    if (input.value) input.dispatchEvent(new Event("input"));
  }

  if (document.querySelector("meta[http-equiv=refresh]")) {
    addEventListener("pagehide", () => keep("scroll", String(Math.round(scrollY))));
    scrollTo(0, Number(kept.get("scroll") || 0));
  }
})();
