import {
  DndContext,
  type DragEndEvent,
  DragOverlay,
  MouseSensor,
  pointerWithin,
  rectIntersection,
  TouchSensor,
  useDndContext,
  useSensor,
  useSensors,
} from "@dnd-kit/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import classes from "./ranking.module.css";
import { insertBefore, place, type Rows, unplace } from "./tiers";

interface DraggingProps {
  letterOf: (id: number) => string;
  order: (id: number, move: (rows: Rows) => Rows) => void;
  children: ReactNode;
}

/** Completions are carried onto the shelf by mouse and by finger. */
export function Dragging({ letterOf, order, children }: DraggingProps) {
  const { t } = useTranslation();
  const sensors = useSensors(
    useSensor(MouseSensor, { activationConstraint: { distance: 6 } }),
    useSensor(TouchSensor, { activationConstraint: { delay: 180, tolerance: 8 } }),
  );

  function drop(event: DragEndEvent) {
    const id = event.active.data.current?.completion as number | undefined;
    const target = event.over?.data.current as { row?: number; gap?: number } | undefined;
    if (!event.over || id === undefined) return;
    if (target?.row !== undefined) order(id, (rows) => place(rows, id, target.row ?? 0));
    else if (target?.gap !== undefined) order(id, (rows) => insertBefore(rows, id, target.gap ?? 0));
    else order(id, (rows) => unplace(rows, id));
  }

  return (
    <DndContext
      sensors={sensors}
      autoScroll={AUTO_SCROLL}
      collisionDetection={underPointer}
      onDragEnd={drop}
      accessibility={{
        screenReaderInstructions: { draggable: t("ranking.instructions") },
        announcements: SILENT,
      }}
    >
      {children}
      <DragOverlay dropAnimation={null}>
        <Dragged letterOf={letterOf} />
      </DragOverlay>
    </DndContext>
  );
}

/** What is in the hand. It knows by itself what that is, so that nothing else is drawn anew for it. */
function Dragged({ letterOf }: Pick<DraggingProps, "letterOf">) {
  const id = useDndContext().active?.data.current?.completion as number | undefined;
  return id === undefined ? null : <span className={classes.chip}>{letterOf(id)}</span>;
}

const underPointer: typeof pointerWithin = (args) => {
  const under = pointerWithin(args);
  return under.length ? under : rectIntersection(args);
};
const AUTO_SCROLL = { canScroll: (element: Element) => element === document.scrollingElement };

// The page has a live region of its own, which says more than where the pointer is.
const nothing = () => undefined;
const SILENT = { onDragStart: nothing, onDragOver: nothing, onDragEnd: nothing, onDragCancel: nothing };
