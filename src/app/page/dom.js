// Elements, and writes that are only made where something is another one than before.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children: el("td", {className: "number"}, "12"). */
export function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Sets the text of an element that holds nothing else. */
export function setText(element, text) {
  const node = element.firstChild;
  if (node === null) {
    if (text !== "") element.textContent = text;
  } else if (node.nodeValue !== text) {
    node.nodeValue = text;
  }
}

export function setAttribute(element, name, value) {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}

export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** The children of a list stand in this order; those that do already are not touched. */
export function setOrder(parent, elements) {
  let at = parent.firstElementChild;
  for (const element of elements) {
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
}

let waiting = new Set();

/** Calls each of the functions once before the next picture is drawn, however often it was asked for; one that fails keeps none back. */
export function beforePaint(draw) {
  if (waiting.size === 0) {
    requestAnimationFrame(() => {
      const now = waiting;
      waiting = new Set();
      for (const each of now) {
        try {
          each();
        } catch (fault) {
          reportError(fault);
        }
      }
    });
  }
  waiting.add(draw);
}
